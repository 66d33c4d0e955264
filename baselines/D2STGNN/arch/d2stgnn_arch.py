from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import nn

from ...supports import read_graph, transition_matrices
from ..config.d2stgnn_config import D2STGNNConfig
from .diffusion import DiffusionBlock, forecast_diffusion
from .dynamic_graph import DynamicGraph, masked_powers, static_graph
from .inherent import InherentBlock
from .layers import linear_columns


def check(config: D2STGNNConfig) -> None:
    """Refuse a configuration that the architecture cannot compute.

    Raises:
        ValueError: If there is one.
    """
    for name in ("num_nodes", "num_layers", "temporal_kernel", "spatial_order", "gap", "output_len"):
        value = getattr(config, name)
        if value is None or value < 1:
            raise ValueError(f"D2STGNN: {name} is {value}, expected at least 1: set it")
    if config.output_len % config.gap:
        raise ValueError(
            f"D2STGNN: output_len {config.output_len} is not a multiple of gap {config.gap}: "
            "set model.gap to a divisor of output_len, such as 1"
        )
    if config.hidden_size % config.num_heads:
        raise ValueError(
            f"D2STGNN: hidden_size {config.hidden_size} is not a multiple of num_heads "
            f"{config.num_heads}: change one of them"
        )
    shortest = config.num_layers * (config.temporal_kernel - 1) + 1
    if config.input_len < shortest:
        raise ValueError(
            f"D2STGNN: input_len {config.input_len} is too short, expected at least {shortest}, because "
            f"each of the {config.num_layers} layers takes temporal_kernel - 1 = "
            f"{config.temporal_kernel - 1} steps: set model.temporal_kernel="
            f"{(config.input_len - 1) // config.num_layers + 1}, use fewer layers, or prepare the data "
            "set with a longer input"
        )
    if config.use_graph and config.graph_path is None:
        raise ValueError(
            "D2STGNN: use_graph is True and the data set has no graph: prepare it with --graph or set "
            "model.use_graph=False"
        )


class Layer(nn.Module):
    """Decoupled spatio-temporal layer of D2STGNN: estimation gate, diffusion block, inherent block.

    Args:
        config: Lengths and widths.
        first: Whether this is the first layer, which encodes positions.
        last: Whether this is the last layer, whose remaining signal nobody reads.
    """

    def __init__(self, config: D2STGNNConfig, first: bool, last: bool) -> None:
        super().__init__()
        self.num_forecasts = config.output_len // config.gap
        self.gate_layer = nn.Linear(2 * config.time_embed_size + 2 * config.node_embed_size, config.gate_size)
        self.gate_output = nn.Linear(config.gate_size, 1)
        self.diffusion = DiffusionBlock(
            config.hidden_size, 3 * config.spatial_order, config.temporal_kernel, config.forecast_size, config.dropout
        )
        max_len = config.input_len + self.num_forecasts if first else None
        self.inherent = InherentBlock(
            config.hidden_size, config.num_heads, config.forecast_size, config.dropout, max_len, backcast=not last
        )

    def forward(
        self, signal: torch.Tensor, times: torch.Tensor, nodes: torch.Tensor, graphs: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor]:
        """Separate one layer's signals.

        Args:
            signal: ``[B, N, L, H]``.
            times: Time embeddings of all input steps ``[B, input_len, 2 * time_embed_size]``.
            nodes: Node embeddings ``[N, 2 * node_embed_size]``.
            graphs: G graphs ``[B, N, N]``.

        Returns:
            tuple: What is left of the signal ``[B, N, L - k_t + 1, H]`` (None in the last layer), what the diffusion
            forecast starts from ``[B, N, k_t + 1, H]`` and the inherent forecast states ``[num_forecasts, H, B * N]``.
        """
        time_weight, node_weight = self.gate_layer.weight.split([times.shape[2], nodes.shape[1]], dim=1)
        of_times = F.linear(times[:, -signal.shape[2] :], time_weight, self.gate_layer.bias)  # [B, L, gate_size]
        hidden = (of_times.unsqueeze(1) + F.linear(nodes, node_weight).unsqueeze(1)).relu_()
        gate = torch.sigmoid(self.gate_output(hidden))  # [B, N, L, 1]
        rest, start = self.diffusion(signal, gate, graphs)
        left, inherent = self.inherent(rest.flatten(0, 1), self.num_forecasts)
        return None if left is None else left.view_as(rest), start, inherent


class D2STGNN(nn.Module):
    """Decoupled dynamic spatial-temporal graph neural network.

    Paper: Decoupled Dynamic Spatial-Temporal Graph Neural Network for Traffic Forecasting (Shao et al., VLDB 2022).

    Args:
        config: Lengths and widths.
    """

    def __init__(self, config: D2STGNNConfig) -> None:
        super().__init__()
        check(config)
        self.config = config
        num_nodes = config.num_nodes
        if config.use_graph:
            masks = torch.stack(transition_matrices(read_graph(config.graph_path, "D2STGNN"))) + 1e-7
            if len(masks[0]) != num_nodes:
                raise ValueError(
                    f"D2STGNN: the graph has {len(masks[0])} nodes, expected num_nodes {num_nodes}: "
                    "prepare the data set with its own graph or set model.use_graph=False"
                )
        else:
            masks = torch.ones(2, num_nodes, num_nodes)
        self.time_of_day_embedding = nn.Parameter(torch.empty(config.steps_per_day, config.time_embed_size))
        self.day_of_week_embedding = nn.Parameter(torch.empty(7, config.time_embed_size))
        self.node_embedding_up = nn.Parameter(torch.empty(num_nodes, config.node_embed_size))
        self.node_embedding_down = nn.Parameter(torch.empty(num_nodes, config.node_embed_size))
        for parameter in self.parameters():
            nn.init.xavier_uniform_(parameter)
        self.input_layer = nn.Linear(1, config.hidden_size)
        self.dynamic_graph = DynamicGraph(
            config.input_len, config.hidden_size, config.node_embed_size, config.time_embed_size, config.dropout, masks
        )
        self.layers = nn.ModuleList(
            Layer(config, first=index == 0, last=index == config.num_layers - 1) for index in range(config.num_layers)
        )
        self.hidden_layer = nn.Linear(config.forecast_size, config.end_size)
        self.output_layer = nn.Linear(config.end_size, config.gap)

    def forward(self, inputs: torch.Tensor, inputs_timestamps: torch.Tensor) -> torch.Tensor:
        """Forecast.

        Args:
            inputs: Normalised readings ``[B, input_len, num_nodes]``.
            inputs_timestamps: Time of day and day of week ``[B, input_len, 2]``.

        Returns:
            torch.Tensor: Normalised forecast ``[B, output_len, num_nodes]``.
        """
        config, batch_size = self.config, len(inputs)
        slots = (inputs_timestamps[..., 0] * config.steps_per_day + 0.5).long() % config.steps_per_day
        days = (inputs_timestamps[..., 1] * 7 + 0.5).long() % 7
        times = torch.cat(
            [F.embedding(slots, self.time_of_day_embedding), F.embedding(days, self.day_of_week_embedding)], dim=-1
        )  # [B, L, 2 * time_embed_size]
        up, down = self.node_embedding_up, self.node_embedding_down
        graphs = [
            power
            for graph in self.dynamic_graph(inputs.transpose(1, 2), times[:, -1], [down, up])
            for power in masked_powers(graph, config.spatial_order)
        ]
        graphs += [
            power.expand(batch_size, -1, -1) for power in masked_powers(static_graph(down, up), config.spatial_order)
        ]
        nodes = torch.cat([up, down], dim=1)
        signal = self.input_layer(inputs.transpose(1, 2).unsqueeze(-1))  # [B, N, L, H]
        starts, inherent = [], []
        layers = cast(list[Layer], self.layers)
        for layer in layers:
            signal, start, states = layer(signal, times, nodes, graphs)
            starts.append(start)
            inherent.append(states)
        num_forecasts = config.output_len // config.gap
        diffused = forecast_diffusion(
            [layer.diffusion for layer in layers], starts, torch.cat(graphs, dim=2), num_forecasts
        )
        branches = [layer.diffusion.forecast_layer for layer in layers]
        branches += [layer.inherent.forecast_layer for layer in layers]
        weight = torch.cat([branch.weight for branch in branches], dim=1)
        bias = torch.stack([branch.bias for branch in branches]).sum(0)
        # [num_forecasts, 2 * num_layers * H, B * N]
        states = torch.cat([diffused.flatten(1, 2).transpose(1, 2), *inherent], dim=1)
        hidden = torch.relu(
            linear_columns(
                torch.relu(linear_columns(states, weight, bias)), self.hidden_layer.weight, self.hidden_layer.bias
            )
        )
        forecast = linear_columns(hidden, self.output_layer.weight, self.output_layer.bias)
        return forecast.view(config.output_len, batch_size, config.num_nodes).transpose(0, 1)
