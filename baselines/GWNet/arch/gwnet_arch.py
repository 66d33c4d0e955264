from typing import cast

import torch
import torch.nn.functional as F
from torch import nn

from ...dropout import ResidualDropout
from ...feed_forward import feed_forward
from ...supports import read_graph, transition_matrices
from ..config.gwnet_config import GWNetConfig
from .diffusion import diffusion
from .dilated_gate import dilated_gate


class GatedConv(nn.Module):
    """Dilated temporal convolution ``tanh(filter(x)) * sigmoid(gate(x))``.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        kernel_size: Taps.
        dilation: Steps between two taps.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        self.kernel_size, self.dilation = kernel_size, dilation
        self.filter = nn.Linear(kernel_size * in_channels, out_channels)
        self.gate = nn.Linear(kernel_size * in_channels, out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``[T, M, in_channels]`` to ``[T - (kernel_size - 1) dilation, M, out_channels]``."""
        weight = torch.cat([-2 * self.filter.weight, self.gate.weight]).t()
        bias = torch.cat([-2 * self.filter.bias, self.gate.bias])
        return dilated_gate(x, weight.reshape(self.kernel_size, -1, len(bias)), bias, self.dilation)


class GraphConv(nn.Module):
    """Diffusion ``W cat[f, f S_1, .., f S_K] + b``, dropout and residual connection.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        num_supports: K.
        dropout: Dropout of the diffusion.
    """

    def __init__(self, in_channels: int, out_channels: int, num_supports: int, dropout: float) -> None:
        super().__init__()
        self.num_supports = num_supports
        self.linear = nn.Linear((1 + num_supports) * in_channels, out_channels)
        self.dropout = ResidualDropout(dropout)

    def forward(self, x: torch.Tensor, residual: torch.Tensor, supports: list[torch.Tensor]) -> torch.Tensor:
        """Diffuse every step.

        Args:
            x: ``[T, N * B, in_channels]``.
            residual: What to add, ``[T, N * B, out_channels]``.
            supports: Matrices ``[N, n N]`` of n transposed supports side by side; the n sum up to ``num_supports``.

        Returns:
            torch.Tensor: ``[T, N * B, out_channels]``.
        """
        weights = self.linear.weight.view(len(self.linear.bias), 1 + self.num_supports, -1).permute(1, 2, 0)
        return self.dropout(residual, diffusion(x, weights.contiguous(), self.linear.bias, *supports))


class GWNet(nn.Module):
    """Graph WaveNet: gated dilated convolutions in time, diffusion along given and learned graphs.

    Paper: Graph WaveNet for Deep Spatial-Temporal Graph Modeling (Wu et al., IJCAI 2019).

    Steps come first in memory, then nodes. What never reaches the output does not exist: skip connections but for the
    last step, the last layer's graph convolution and norm.

    Args:
        config: Lengths, graph and widths.

    Raises:
        ValueError: If there is no graph to diffuse along, or nothing of what a layer needs.
    """

    fixed_supports: torch.Tensor | None

    def __init__(self, config: GWNetConfig) -> None:
        super().__init__()
        for name in ("num_blocks", "layers_per_block", "diffusion_order", "kernel_size"):
            if getattr(config, name) < 1:
                raise ValueError(f"{name}={getattr(config, name)}: expected 1 or more")
        self.use_time_of_day, self.use_day_of_week = config.use_time_of_day, config.use_day_of_week
        dilations = [2**layer for _ in range(config.num_blocks) for layer in range(config.layers_per_block)]
        residual, dilation, skip = config.residual_channels, config.dilation_channels, config.skip_channels
        self.receptive_field = 1 + (config.kernel_size - 1) * sum(dilations)
        self.diffusion_order, self.adaptive = config.diffusion_order, config.adaptive
        self.register_buffer("fixed_supports", self._fixed_supports(config), persistent=False)
        if config.adaptive:
            self.source_embedding = nn.Parameter(torch.randn(config.num_nodes, config.adaptive_rank))
            self.target_embedding = nn.Parameter(torch.randn(config.adaptive_rank, config.num_nodes))
        num_supports = (2 * config.use_graph + config.adaptive) * config.diffusion_order

        self.input_layer = nn.Linear(1 + config.use_time_of_day + config.use_day_of_week, residual)
        self.gated_convs = nn.ModuleList(GatedConv(residual, dilation, config.kernel_size, d) for d in dilations)
        self.skip_layers = nn.ModuleList(nn.Linear(dilation, skip) for _ in dilations)
        self.graph_convs = nn.ModuleList(
            GraphConv(dilation, residual, num_supports, config.dropout) for _ in dilations[1:]
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(residual) for _ in dilations[1:])
        self.hidden_layer = nn.Linear(skip, config.end_channels)
        self.output_layer = nn.Linear(config.end_channels, config.output_len)

    @staticmethod
    def _fixed_supports(config: GWNetConfig) -> torch.Tensor | None:
        """Return the powers of the transposed transition matrices side by side, or None without the graph."""
        if not config.use_graph:
            if not config.adaptive:
                raise ValueError(
                    "use_graph=False and adaptive=False: expected at least one graph; set model.adaptive=True"
                )
            return None
        if config.graph_path is None:
            raise ValueError(
                "use_graph=True, but graph_path is None: prepare the data set with --graph, or set "
                "model.use_graph=False"
            )
        adjacency = read_graph(config.graph_path, "GWNet")
        if len(adjacency) != config.num_nodes:
            raise ValueError(
                f"num_nodes={config.num_nodes}: the graph {config.graph_path} has {len(adjacency)} nodes; "
                "give the graph of the same data set"
            )
        return torch.cat(
            [side_by_side(support, config.diffusion_order) for support in transition_matrices(adjacency)], dim=1
        )

    def _supports(self) -> list[torch.Tensor]:
        """Return the given supports and the learned ones, each set ``[N, n N]``."""
        supports = [] if self.fixed_supports is None else [self.fixed_supports]
        if self.adaptive:
            learned = torch.softmax(torch.relu(self.source_embedding @ self.target_embedding), dim=1)
            supports.append(side_by_side(learned, self.diffusion_order))
        return supports

    def _sequence(self, inputs: torch.Tensor, inputs_timestamps: torch.Tensor) -> torch.Tensor:
        """Return the projected steps ``[T, N * B, residual_channels]``, from the receptive field's first step on."""
        channels = [inputs]
        if self.use_time_of_day:
            channels.append(inputs_timestamps[:, :, :1].expand_as(inputs))
        if self.use_day_of_week:
            channels.append(inputs_timestamps[:, :, 1:].expand_as(inputs))
        sequence = torch.stack(channels, dim=-1).permute(1, 2, 0, 3).flatten(1, 2)  # [input_len, N * B, channels]
        return self.input_layer(F.pad(sequence, (0, 0, 0, 0, max(self.receptive_field - len(sequence), 0), 0)))

    def forward(self, inputs: torch.Tensor, inputs_timestamps: torch.Tensor) -> torch.Tensor:
        """Forecast.

        Args:
            inputs: Normalised readings ``[B, input_len, num_nodes]``.
            inputs_timestamps: Time of day and day of week ``[B, input_len, 2]``.

        Returns:
            torch.Tensor: Normalised forecast ``[B, output_len, num_nodes]``.
        """
        batch_size, _, num_nodes = inputs.shape
        supports = self._supports()
        x, last_steps = self._sequence(inputs, inputs_timestamps), []
        for i, gated_conv in enumerate(self.gated_convs):
            filtered = gated_conv(x)
            last_steps.append(filtered[-1])
            if i < len(self.graph_convs):
                x = normalized(
                    cast(nn.BatchNorm2d, self.norms[i]), self.graph_convs[i](filtered, x[-len(filtered) :], supports)
                )

        skip_layers = cast(list[nn.Linear], self.skip_layers)
        bias = cast(torch.Tensor, sum(layer.bias for layer in skip_layers))
        weight = torch.cat([layer.weight for layer in skip_layers], dim=1)
        skip = torch.addmm(bias, torch.cat(last_steps, dim=1), weight.t())
        forecast = feed_forward(torch.relu(skip), self.hidden_layer, self.output_layer)  # [N * B, output_len]
        return forecast.view(num_nodes, batch_size, -1).permute(1, 2, 0)


def side_by_side(support: torch.Tensor, order: int) -> torch.Tensor:
    """Return ``[S^T, (S^2)^T, ..]`` up to the order, ``[N, order N]``."""
    powers = [support.t()]
    for _ in range(order - 1):
        powers.append(powers[-1] @ support.t())
    return torch.cat(powers, dim=1)


def normalized(norm: nn.BatchNorm2d, x: torch.Tensor) -> torch.Tensor:
    """Batch-normalise ``[T, M, channels]`` over steps and rows, with the channels last in memory."""
    return norm(x.unsqueeze(2).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).squeeze(2)
