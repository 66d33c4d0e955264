from collections.abc import Sequence

import torch
from torch import nn

from ...dropout import Dropout
from .graph_convolution import GraphConvolution, window_sum


class DiffusionBlock(nn.Module):
    """Diffusion block of D2STGNN: localised spatio-temporal convolution and its backcast.

    With a window of k_t steps mapped to k_t blocks of width H, X_0 their mean, S their sum and the graphs A_g,
    ``Z = Linear(cat[X_0, A_1 S, A_2 S, ...])``. X_0 is ``S / k_t`` and ``(A_g S) W_g`` is ``A_g (S W_g)``.

    Args:
        hidden_size: Width H.
        num_graphs: Number G of graphs.
        temporal_kernel: k_t.
        forecast_size: Width of the forecast branch.
        dropout: Dropout on Z.
    """

    def __init__(
        self, hidden_size: int, num_graphs: int, temporal_kernel: int, forecast_size: int, dropout: float
    ) -> None:
        super().__init__()
        self.temporal_kernel = temporal_kernel
        width = temporal_kernel * hidden_size
        self.window_layer = nn.Linear(width, width, bias=False)
        self.graph_layer = nn.Linear((1 + num_graphs) * hidden_size, hidden_size)
        self.dropout = Dropout(dropout)
        self.backcast_layer = nn.Linear(hidden_size, hidden_size)
        self.norm = nn.LayerNorm(hidden_size)
        self.forecast_layer = nn.Linear(hidden_size, forecast_size)

    def forward(
        self, signal: torch.Tensor, gate: torch.Tensor, graphs: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Separate the diffusion signal.

        Args:
            signal: ``[B, N, L, H]``.
            gate: ``[B, N, L, 1]``.
            graphs: G graphs ``[B, N, N]``.

        Returns:
            tuple: What is left of the signal ``[B, N, L - k_t + 1, H]``, and what the forecast starts from: the last
            k_t gated steps and the last diffusion state ``[B, N, k_t + 1, H]``.
        """
        gated = signal * gate
        total = window_sum(gated.flatten(0, 1), self.window_layer.weight).unflatten(0, signal.shape[:2])
        diffusion = self.dropout(GraphConvolution.apply(total, self.graph_weights(), self.graph_layer.bias, *graphs))
        backcast = self.backcast_layer(diffusion).relu_()
        rest = self.norm(signal[:, :, -diffusion.shape[2] :] - backcast)
        return rest, torch.cat([gated[:, :, -self.temporal_kernel :], diffusion[:, :, -1:]], dim=2)

    def graph_weights(self) -> torch.Tensor:
        """Return the factors of S, ``W_0 / k_t`` for X_0 and the W_g ``[1 + G, H, H]``."""
        hidden_size = len(self.graph_layer.weight)
        weights = self.graph_layer.weight.view(hidden_size, -1, hidden_size).permute(1, 2, 0)
        return torch.cat([weights[:1] / self.temporal_kernel, weights[1:]])


def convolve(blocks: Sequence[DiffusionBlock], windows: torch.Tensor, graphs: torch.Tensor) -> torch.Tensor:
    """Convolve over time and graphs, each block its own window.

    All graphs are one product of ``[A_1 | A_2 | ...]`` with the ``S W_g`` of :class:`DiffusionBlock` stacked.

    Args:
        blocks: I blocks.
        windows: One window a block ``[I, B, N, k_t * H]``.
        graphs: The graphs, one beside the other ``[B, N, G * N]``.

    Returns:
        torch.Tensor: ``[I, B, N, H]``.
    """
    num_blocks, batch_size, num_nodes, width = windows.shape
    kernel = blocks[0].temporal_kernel
    mapped = torch.bmm(windows.flatten(1, 2), torch.stack([block.window_layer.weight.t() for block in blocks])).relu_()
    total = mapped.unflatten(-1, (kernel, width // kernel)).sum(-2)  # [I, B * N, H]
    weights = torch.stack([block.graph_weights() for block in blocks])  # [I, 1 + G, H, H]
    biases = torch.stack([block.graph_layer.bias for block in blocks]).unsqueeze(1)
    local = torch.baddbmm(biases, total, weights[:, 0])
    mixed = torch.bmm(total, weights[:, 1:].transpose(1, 2).flatten(2)).view(
        num_blocks, batch_size, num_nodes, -1, width // kernel
    )
    mixed = mixed.permute(1, 3, 2, 0, 4).reshape(batch_size, graphs.shape[2], -1)  # [B, G * N, I * H]
    spread = torch.bmm(graphs, mixed).view(batch_size, num_nodes, num_blocks, -1).permute(2, 0, 1, 3)
    return blocks[0].dropout(local.view(spread.shape) + spread)


def forecast_diffusion(
    blocks: Sequence[DiffusionBlock], starts: Sequence[torch.Tensor], graphs: torch.Tensor, num_forecasts: int
) -> torch.Tensor:
    """Forecast the diffusion states of all layers at once, since no layer reads another's forecast.

    Args:
        blocks: I blocks.
        starts: What each block's forecast starts from ``[B, N, k_t + 1, H]``.
        graphs: The graphs, one beside the other ``[B, N, G * N]``.
        num_forecasts: Number of decoded hidden states.

    Returns:
        torch.Tensor: ``[num_forecasts, B, N, I * H]``.
    """
    kernel = blocks[0].temporal_kernel
    steps = list(torch.stack(list(starts)).unbind(3))  # of [I, B, N, H]
    for _ in range(num_forecasts - 1):
        steps.append(convolve(blocks, torch.cat(steps[-kernel:], dim=-1), graphs))
    return torch.stack(steps[kernel:]).permute(0, 2, 3, 1, 4).flatten(3)
