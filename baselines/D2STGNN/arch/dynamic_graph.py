import math

import torch
import torch.nn.functional as F
from torch import nn

from ...dropout import Dropout


def masked_powers(graph: torch.Tensor, order: int) -> list[torch.Tensor]:
    """Return the powers 1..order of a graph ``[..., N, N]``, with zero diagonals (the factors keep theirs)."""
    powers = [graph]
    for _ in range(order - 1):
        powers.append(graph @ powers[-1])
    kept = 1 - torch.eye(graph.shape[-1], dtype=graph.dtype, device=graph.device)
    return [power * kept for power in powers]


class DynamicGraph(nn.Module):
    """Dynamic graph learning of D2STGNN.

    With f the features of a node's window, ``F = cat[f, T_last, W_last, E]`` for a node embedding E, the graph is
    ``softmax(W_Q F (W_K F)^T / sqrt(H)) * mask``, its rows divided by their sum.

    Args:
        input_len: Input steps.
        hidden_size: Width H.
        node_embed_size: Width of E.
        time_embed_size: Width of T and of W.
        dropout: Dropout on the window features.
        masks: One mask per graph ``[num_graphs, N, N]``.
    """

    masks: torch.Tensor

    def __init__(
        self,
        input_len: int,
        hidden_size: int,
        node_embed_size: int,
        time_embed_size: int,
        dropout: float,
        masks: torch.Tensor,
    ) -> None:
        super().__init__()
        self.window_layer = nn.Linear(input_len, 2 * hidden_size)
        self.window_norm = nn.BatchNorm1d(2 * hidden_size)
        self.window_output = nn.Linear(2 * hidden_size, hidden_size)
        self.dropout = Dropout(dropout)
        feature_size = hidden_size + 2 * time_embed_size + node_embed_size
        self.query_layer = nn.Linear(feature_size, hidden_size, bias=False)
        self.key_layer = nn.Linear(feature_size, hidden_size, bias=False)
        self.register_buffer("masks", masks, persistent=False)

    def forward(self, windows: torch.Tensor, times: torch.Tensor, embeddings: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return one graph ``[B, N, N]`` per node embedding.

        Args:
            windows: Raw readings ``[B, N, input_len]``.
            times: Time of day and day of week embedding of the last input step ``[B, 2 * time_embed_size]``.
            embeddings: Node embeddings ``[N, node_embed_size]``, one per mask.
        """
        batch_size, num_nodes = windows.shape[:2]
        rows = torch.relu(self.window_layer(windows.flatten(0, 1)))  # [B * N, 2 * H]
        features = self.window_output(self.dropout(self.window_norm(rows))).view(batch_size, num_nodes, -1)
        times = times.unsqueeze(1).expand(-1, num_nodes, -1)
        graphs = []
        for embedding, mask in zip(embeddings, self.masks, strict=True):
            entry = torch.cat([features, times, embedding.expand(batch_size, -1, -1)], dim=-1)
            query, key = self.query_layer(entry), self.key_layer(entry)
            similarity = torch.softmax(query @ key.transpose(1, 2) / math.sqrt(query.shape[-1]), dim=-1) * mask
            graphs.append(similarity / similarity.sum(-1, keepdim=True))
        return graphs


def static_graph(embedding_down: torch.Tensor, embedding_up: torch.Tensor) -> torch.Tensor:
    """Return ``softmax(relu(E_d E_u^T))`` over the columns ``[N, N]``."""
    return F.softmax(torch.relu(embedding_down @ embedding_up.t()), dim=1)
