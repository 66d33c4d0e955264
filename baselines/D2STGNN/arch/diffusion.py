from collections.abc import Sequence

import torch
from torch import nn

from ...dropout import Dropout


class DiffusionBlock(nn.Module):
    """Diffusion block of D2STGNN: localised spatio-temporal convolution and its backcast.

    Args:
        hidden_size: Width H.
        num_graphs: Number G of graph copies.
        temporal_kernel: k_t.
        forecast_size: Width of the forecast branch.
        dropout: Dropout on Z.
    """

    def __init__(self, hidden_size: int, num_graphs: int, temporal_kernel: int, forecast_size: int,
                 dropout: float) -> None:
        super().__init__()
        self.temporal_kernel = temporal_kernel
        width = temporal_kernel * hidden_size
        self.window_layer = nn.Linear(width, width, bias=False)
        self.graph_layer = nn.Linear((1 + num_graphs) * hidden_size, hidden_size)
        self.dropout = Dropout(dropout)
        self.backcast_layer = nn.Linear(hidden_size, hidden_size)
        self.norm = nn.LayerNorm(hidden_size)
        self.forecast_layer = nn.Linear(hidden_size, forecast_size)

    def forward(self, signal: torch.Tensor, gate: torch.Tensor,
                graphs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Separate the diffusion signal.

        Args:
            signal: ``[L, B, N, H]``.
            gate: ``[L, B, N, 1]``.
            graphs: Copies of the graphs, one beside the other ``[B, N, G * N]``.

        Returns:
            tuple: What is left of the signal ``[L - k_t + 1, B, N, H]``, and what the forecast starts from: the last
            k_t gated steps and the last diffusion state ``[k_t + 1, B, N, H]``.
        """
        gated = signal * gate
        length = len(signal) - self.temporal_kernel + 1
        windows = torch.cat([gated[i:i + length] for i in range(self.temporal_kernel)], dim=-1)
        diffusion = convolve([self], windows, graphs)  # [L - k_t + 1, B, N, H]
        backcast = torch.relu(self.backcast_layer(diffusion))
        rest = self.norm(signal[-length:] - backcast)
        return rest, torch.cat([gated[-self.temporal_kernel:], diffusion[-1:]])


def convolve(blocks: Sequence[DiffusionBlock], windows: torch.Tensor, graphs: torch.Tensor) -> torch.Tensor:
    """Convolve over time and graphs, each block its own windows.

    With a window of k_t steps mapped to k_t blocks of width H, X_0 their mean, S their sum and the copies A_g of the
    graphs, ``Z = Linear(cat[X_0, A_1 S, A_2 S, ...])``. X_0 is ``S / k_t`` and ``(A_g S) W_g`` is ``A_g (S W_g)``.

    All graphs are one product of ``[A_1 | A_2 | ...]`` with the ``S W_g`` stacked.

    Args:
        blocks: I blocks, each of which convolves as many windows.
        windows: Block by block ``[I * L, B, N, k_t * H]``.
        graphs: ``[B, N, G * N]``.

    Returns:
        torch.Tensor: ``[I * L, B, N, H]``.
    """
    num_blocks, kernel = len(blocks), blocks[0].temporal_kernel
    hidden_size = windows.shape[-1] // kernel
    rows = windows.reshape(num_blocks, -1, windows.shape[-1])  # [I, L * B * N, k_t * H]
    if num_blocks == 1:
        mapped = blocks[0].window_layer(rows)
    else:
        mapped = torch.bmm(rows, torch.stack([block.window_layer.weight.t() for block in blocks]))
    total = torch.relu(mapped).unflatten(-1, (kernel, hidden_size)).sum(-2)  # [I, L * B * N, H]
    weights = torch.stack([block.graph_layer.weight for block in blocks])
    weights = weights.view(num_blocks, hidden_size, -1, hidden_size).permute(0, 2, 3, 1)  # [I, 1 + G, H, H]
    biases = torch.stack([block.graph_layer.bias for block in blocks]).unsqueeze(1)
    local = torch.baddbmm(biases, total, weights[:, 0] / kernel)
    num_steps, batch_size, num_nodes = windows.shape[:3]
    mixed = torch.bmm(total, weights[:, 1:].transpose(1, 2).flatten(2)).view(
        num_steps, batch_size, num_nodes, -1, hidden_size)
    mixed = mixed.permute(1, 3, 2, 0, 4).reshape(batch_size, graphs.shape[2], -1)  # [B, G * N, I * L * H]
    spread = torch.bmm(graphs, mixed).view(batch_size, num_nodes, num_steps, hidden_size).permute(2, 0, 1, 3)
    return blocks[0].dropout(local.view(spread.shape) + spread)


def forecast_diffusion(blocks: Sequence[DiffusionBlock], starts: Sequence[torch.Tensor], graphs: torch.Tensor,
                       num_forecasts: int) -> torch.Tensor:
    """Forecast the diffusion states of all layers at once, since no layer reads another's forecast.

    Args:
        blocks: I blocks.
        starts: What each block's forecast starts from ``[k_t + 1, B, N, H]``.
        graphs: ``[B, N, G * N]``.
        num_forecasts: Number of decoded hidden states.

    Returns:
        torch.Tensor: ``[num_forecasts, B, N, I * H]``.
    """
    kernel = blocks[0].temporal_kernel
    steps = list(torch.stack(list(starts), dim=1).unbind(0))  # of [I, B, N, H]
    for _ in range(num_forecasts - 1):
        steps.append(convolve(blocks, torch.cat(steps[-kernel:], dim=-1), graphs))
    return torch.stack(steps[kernel:]).permute(0, 2, 3, 1, 4).flatten(3)
