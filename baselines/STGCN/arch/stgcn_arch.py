import math
import warnings
from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import FunctionCtx, once_differentiable

from ...dropout import Dropout
from ...supports import normalized_laplacian, read_graph
from ..config.stgcn_config import STGCNConfig


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
        weight, bias = self.convolution.weight, self.convolution.bias
        if self.align is None:
            weight = weight + self.residual
        else:
            weight = weight + self._at_last_tap(self.align.weight)
            bias = bias + F.pad(self.align.bias, (0, len(self.align.bias)))
        # Channels stay last in memory: the layout in which the convolution, the gate and the norm need no copies.
        # Two convolutions, because the halves of one would be strided, which the gate's backward is slow on.
        value, gate = (F.conv2d(x.permute(0, 3, 1, 2), *half).permute(0, 2, 3, 1)  # [B, T - kernel + 1, N, C]
                       for half in zip(weight.chunk(2), bias.chunk(2), strict=True))
        return (torch.tanh(value) if self.gtu else value) * torch.sigmoid(gate)


class GraphConvolution(nn.Module):
    """Chebyshev graph convolution with a residual connection.

    ``relu(sum_k T_k(L) g W_k + b + g)`` with ``g = align(x)``. T_0 is the identity, so the residual is added to W_0.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        laplacian: L.
        order: Number of polynomials, T_0 included.
    """

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
        batch_size, steps, num_nodes, _ = x.shape
        order, channels, _ = self.weight.shape
        g = self.align(x) if self.align is not None else F.pad(x, (0, channels - x.shape[-1]))
        g = g.view(-1, num_nodes, channels).transpose(0, 1).reshape(num_nodes, -1)  # [N, B T C]: one product with L
        weights = (self.weight[0] + self.residual, *self.weight[1:].unbind(0))
        out = torch.addmm(self.bias, g.view(-1, channels), weights[0])
        polynomials = [g]
        for k in range(1, order):
            product = self.laplacian(polynomials[-1])
            polynomials.append(2 * product - polynomials[-2] if k > 1 else product)
            out.addmm_(polynomials[k].view(-1, channels), weights[k])
        return torch.relu(out.view(num_nodes, -1, channels).transpose(0, 1).contiguous()).view(
            batch_size, steps, num_nodes, channels)


class SymmetricProduct(torch.autograd.Function):
    """Product of a constant symmetric matrix, dense or sparse, with a dense one."""

    @staticmethod
    def forward(ctx: FunctionCtx, matrix: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return ``matrix @ x``."""
        ctx.matrix = matrix
        return matrix @ x

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: torch.Tensor) -> tuple[None, torch.Tensor]:
        """Return the gradient of ``x``: the matrix is its own transpose."""
        return None, ctx.matrix @ grad.contiguous()


class Laplacian(nn.Module):
    """Product with a constant symmetric matrix; on the CPU it is sparse where that is faster.

    Args:
        matrix: The matrix ``[N, N]``.
    """

    MAX_DENSITY = 0.1  # of a sparse product; at 170 nodes and a density of 0.07 it takes half a dense one's time

    def __init__(self, matrix: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("matrix", matrix, persistent=False)
        self.sparse = self._compressed()

    def _compressed(self) -> Optional[torch.Tensor]:
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

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the product with ``x``, ``[N, M]``."""
        sparse = self.sparse is not None and x.device.type == "cpu" and x.dtype == self.sparse.dtype
        return SymmetricProduct.apply(self.sparse if sparse else self.matrix, x)


class STBlock(nn.Module):
    """Temporal layer, graph convolution, temporal layer, layer norm over nodes and channels, dropout.

    Args:
        in_channels: Channels of the input.
        channels: Channels of the three layers.
        laplacian: Of the graph.
        config: Widths of the model.
    """

    def __init__(self, in_channels: int, channels: tuple[int, int, int], laplacian: Laplacian,
                 config: STGCNConfig) -> None:
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
            raise ValueError(f"input_len={config.input_len}: expected at least {consumed + 1}, because the blocks "
                             f"consume {consumed} steps; raise it, or lower temporal_kernel or the number of blocks")
        laplacian = normalized_laplacian(read_graph(config.graph_path, "STGCN"))
        if len(laplacian) != config.num_nodes:
            raise ValueError(f"num_nodes={config.num_nodes}: expected {len(laplacian)}, the nodes of "
                             f"{config.graph_path}; set num_nodes to the graph's")
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
        hidden = torch.relu(self.hidden_layer(self.output_norm(x)))
        return self.output_layer(hidden).transpose(1, 2)
