import math
import warnings
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import nn

from ...dropout import Dropout
from ...feed_forward import feed_forward
from ...supports import normalized_laplacian, read_graph
from ..config.stgcn_config import STGCNConfig
from .gated_convolution import GatedConvolution
from .graph_convolution import ChebyshevConvolution


def padded_identity(in_channels: int, out_channels: int) -> torch.Tensor:
    """Return the map ``[out_channels, in_channels]`` that pads channels with zeros."""
    return torch.eye(out_channels, in_channels)


class TemporalLayer(nn.Module):
    """Gated convolution over time with a residual connection.

    ``(p + align(x)) * sigmoid(q)`` (GLU) or ``tanh(p + align(x)) * sigmoid(q)`` (GTU), where p and q are the halves
    of the convolution. The residual is the step that the last tap of the kernel reads, so ``align`` is added
    to that tap's weights and costs nothing.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Steps that are convolved.
        activation: ``glu`` or ``gtu``.
    """

    residual: torch.Tensor

    def __init__(self, in_channels: int, out_channels: int, kernel: int, activation: str) -> None:
        super().__init__()
        self.gtu = activation == "gtu"
        self.convolution = nn.Conv2d(in_channels, 2 * out_channels, (kernel, 1))
        self.align = nn.Conv2d(in_channels, out_channels, 1) if in_channels > out_channels else None
        if self.align is None:
            identity = padded_identity(in_channels, out_channels)[:, :, None, None]
            self.register_buffer("residual", self._at_last_tap(identity), persistent=False)

    def _at_last_tap(self, weight: torch.Tensor) -> torch.Tensor:
        """Pad weights of one tap and of p to those of all taps and of p and q."""
        out_channels, _, kernel, _ = self.convolution.weight.shape
        return F.pad(weight, (0, 0, kernel - 1, 0, 0, 0, 0, out_channels - weight.shape[0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve ``[B, T, N, in_channels]`` to ``[B, T - kernel + 1, N, out_channels]``."""
        weight, bias = self.convolution.weight, cast(torch.Tensor, self.convolution.bias)
        if self.align is None:
            weight = weight + self.residual
        else:
            weight = weight + self._at_last_tap(self.align.weight)
            aligning = cast(torch.Tensor, self.align.bias)
            bias = bias + F.pad(aligning, (0, len(aligning)))
        return GatedConvolution.apply(x, weight, bias, self.gtu)


class GraphConvolution(nn.Module):
    """Chebyshev graph convolution with a residual connection.

    ``relu(sum_k T_k(L) g W_k + b + g)`` with ``g = align(x)``. T_0 is the identity, so the residual is added to W_0;
    ``align`` is merged with every W_k.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        laplacian: L.
        order: Number of polynomials, T_0 included.
    """

    residual: torch.Tensor

    def __init__(self, in_channels: int, out_channels: int, laplacian: "Laplacian", order: int) -> None:
        super().__init__()
        self.align = nn.Linear(in_channels, out_channels) if in_channels > out_channels else None
        self.laplacian = laplacian
        self.weight = nn.Parameter(torch.empty(order, out_channels, out_channels))
        self.bias = nn.Parameter(torch.empty(out_channels))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        nn.init.uniform_(self.bias, -1 / out_channels, 1 / out_channels)
        self.register_buffer("residual", torch.eye(out_channels), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve ``[B, T, N, in_channels]`` to ``[B, T, N, out_channels]``."""
        weights = torch.cat([self.weight[:1] + self.residual, self.weight[1:]]).transpose(1, 2)  # [K, C, C]
        biases = F.pad(self.bias.unsqueeze(0), (0, 0, 0, len(weights) - 1))  # [K, C]
        if self.align is None:
            weights = weights[:, :, : x.shape[-1]]
        else:
            biases = biases + weights @ self.align.bias
            weights = weights @ self.align.weight
        return ChebyshevConvolution.apply(x, weights, biases, self.laplacian.matrix_for(x))


class Laplacian(nn.Module):
    """Constant symmetric matrix; on the CPU it is sparse where that is faster.

    Args:
        matrix: The matrix ``[N, N]``.
    """

    MAX_DENSITY = 0.1  # of a sparse product; at 170 nodes and a density of 0.07 it takes half a dense one's time
    matrix: torch.Tensor

    def __init__(self, matrix: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("matrix", matrix, persistent=False)
        self.sparse = self._compressed()

    def _compressed(self) -> torch.Tensor | None:
        """Return the matrix as a sparse one, or None where that is slower or not available."""
        matrix = self.matrix.cpu()
        if not torch.backends.mkl.is_available() or matrix.count_nonzero() > self.MAX_DENSITY * matrix.numel():
            return None
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # "support is in beta state"
            return matrix.to_sparse_csr()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "sparse": None}  # torch can't copy it

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.sparse = self._compressed()

    def matrix_for(self, x: torch.Tensor) -> torch.Tensor:
        """Return the matrix, sparse or dense, that is the faster factor of ``x``."""
        if self.sparse is None or x.device.type != "cpu" or x.dtype != self.sparse.dtype:
            return self.matrix
        return self.matrix if torch.compiler.is_compiling() else self.sparse  # it would leave the compiled code


class STBlock(nn.Module):
    """Temporal layer, graph convolution, temporal layer, layer norm over nodes and channels, dropout.

    Args:
        in_channels: Channels of the input.
        channels: Channels of the three layers.
        laplacian: Of the graph.
        config: Widths of the model.
    """

    def __init__(
        self, in_channels: int, channels: tuple[int, int, int], laplacian: Laplacian, config: STGCNConfig
    ) -> None:
        super().__init__()
        first, spatial, last = channels
        self.first_temporal = TemporalLayer(in_channels, first, config.temporal_kernel, config.activation)
        self.graph_convolution = GraphConvolution(first, spatial, laplacian, config.spatial_order)
        self.second_temporal = TemporalLayer(spatial, last, config.temporal_kernel, config.activation)
        self.norm = nn.LayerNorm((config.num_nodes, last))
        self.dropout = Dropout(config.dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``[B, T, N, in_channels]`` to ``[B, T - 2 (temporal_kernel - 1), N, channels[2]]``."""
        x = self.second_temporal(self.graph_convolution(self.first_temporal(x)))
        return self.dropout(self.norm(x))


class STGCN(nn.Module):
    """Spatio-temporal graph convolutional network.

    Paper: Spatio-Temporal Graph Convolutional Networks: A Deep Learning Framework for Traffic Forecasting
    (Yu, Yin, Zhu, IJCAI 2018), https://arxiv.org/abs/1709.04875. The Chebyshev polynomials are those of the unscaled
    normalised Laplacian of the symmetrised graph; all horizons are forecast at once.

    Args:
        config: Lengths, widths and the graph.

    Raises:
        ValueError: If a setting is out of range, there is no graph, or it has another number of nodes.
    """

    def __init__(self, config: STGCNConfig) -> None:
        super().__init__()
        if config.activation not in ("glu", "gtu"):
            raise ValueError(f"activation={config.activation!r}: expected 'glu' or 'gtu'; set one of them")
        for name in ("temporal_kernel", "spatial_order"):
            if getattr(config, name) < 1:
                raise ValueError(f"{name}={getattr(config, name)}: expected at least 1; raise it")
        consumed = 2 * (config.temporal_kernel - 1) * len(config.block_channels)
        if config.input_len <= consumed:
            longest = (config.input_len - 1) // (2 * len(config.block_channels)) + 1
            raise ValueError(
                f"STGCN: input_len {config.input_len} is too short, expected at least {consumed + 1}, "
                f"because the blocks take {consumed} steps: set model.temporal_kernel={longest}, use "
                "fewer blocks, or prepare the data set with a longer input"
            )
        laplacian = normalized_laplacian(read_graph(config.graph_path, "STGCN"))
        if len(laplacian) != config.num_nodes:
            raise ValueError(
                f"num_nodes={config.num_nodes}: expected {len(laplacian)}, the nodes of "
                f"{config.graph_path}; set num_nodes to the graph's"
            )
        product = Laplacian(laplacian)

        in_channels, blocks = 1, []
        for channels in config.block_channels:
            blocks.append(STBlock(in_channels, channels, product, config))
            in_channels = channels[-1]
        self.blocks = nn.Sequential(*blocks)
        temporal, hidden = config.output_channels
        self.output_temporal = TemporalLayer(in_channels, temporal, config.input_len - consumed, config.activation)
        self.output_norm = nn.LayerNorm((config.num_nodes, temporal))
        self.hidden_layer = nn.Linear(temporal, hidden)
        self.output_layer = nn.Linear(hidden, config.output_len)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Forecast.

        Args:
            inputs: Normalised readings ``[B, input_len, num_nodes]``.

        Returns:
            torch.Tensor: Normalised forecast ``[B, output_len, num_nodes]``.
        """
        x = self.output_temporal(self.blocks(inputs.unsqueeze(-1))).squeeze(1)  # [B, N, C]
        return feed_forward(self.output_norm(x), self.hidden_layer, self.output_layer).transpose(1, 2)
