import math
from collections.abc import Sequence
from typing import Optional

import torch
import torch.nn.functional as F
from torch import nn

from ...dropout import Dropout
from .layers import sinusoids
from .recurrent import GRUOverTime


class InherentBlock(nn.Module):
    """Inherent block of D2STGNN: GRU and self-attention over the steps of each node, forecast and backcast.

    Args:
        hidden_size: Width H.
        num_heads: Attention heads.
        forecast_size: Width of the forecast branch.
        dropout: Dropout on GRU states, positional encoding, attention weights and attention output.
        max_len: Most steps that are encoded; None: no positional encoding (all layers but the first).
        backcast: Whether a next layer reads what is left of the signal.
    """

    def __init__(self, hidden_size: int, num_heads: int, forecast_size: int, dropout: float,
                 max_len: Optional[int], backcast: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.gru_cell = nn.GRUCell(hidden_size, hidden_size)
        self.attention_input = nn.Linear(hidden_size, 3 * hidden_size)
        self.attention_output = nn.Linear(hidden_size, hidden_size)
        nn.init.xavier_uniform_(self.attention_input.weight)
        nn.init.zeros_(self.attention_input.bias)
        nn.init.zeros_(self.attention_output.bias)
        self.dropout = Dropout(dropout)
        self.forecast_layer = nn.Linear(hidden_size, forecast_size)
        self.backcast_layer = nn.Linear(hidden_size, hidden_size) if backcast else None
        self.norm = nn.LayerNorm(hidden_size) if backcast else None
        self.scale = 1 / math.sqrt(hidden_size // num_heads)
        heads = torch.eye(num_heads).repeat_interleave(hidden_size // num_heads, dim=1)  # [heads, H]
        self.register_buffer("heads", heads, persistent=False)
        encoding = None if max_len is None else sinusoids(max_len, hidden_size).unsqueeze(1)
        self.register_buffer("encoding", encoding, persistent=False)

    def attend(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """Attend with projected queries, keys and values ``[L, R, H]``; returns ``[L, R, H]``."""
        def split(projected: torch.Tensor) -> torch.Tensor:
            return projected.unflatten(-1, (self.num_heads, -1)).permute(1, 2, 0, 3)  # [R, heads, L, H / heads]
        # Keys in rows: a softmax over the short last dimension takes several times longer on the CPU.
        scores = split(key * self.scale) @ split(query).transpose(2, 3)
        shares = self.dropout(torch.softmax(scores, dim=2))  # [R, heads, L, L]
        mixed = shares.transpose(2, 3) @ split(value)
        return self.dropout(self.attention_output(mixed.permute(2, 0, 1, 3).flatten(2)))

    def attend_once(self, query: torch.Tensor, keys: Sequence[torch.Tensor],
                    values: Sequence[torch.Tensor]) -> torch.Tensor:
        """Attend with one query ``[R, H]`` to pieces of keys and values ``[., R, H]``; returns ``[R, H]``."""
        query = query * self.scale
        scores = torch.cat([F.linear(key * query, self.heads) for key in keys])  # [L, R, heads]
        shares = self.dropout(torch.softmax(scores, dim=0)).split([len(value) for value in values])
        mixed = [(F.linear(share, self.heads.t()) * value).sum(0) for share, value in zip(shares, values, strict=True)]
        return self.dropout(self.attention_output(sum(mixed)))

    def encoded(self, states: torch.Tensor) -> torch.Tensor:
        """Add the positional encoding to ``[L, R, H]``."""
        return self.dropout(states + self.encoding[:len(states)])

    def forward(self, signal: torch.Tensor, num_forecasts: int) -> tuple[Optional[torch.Tensor], torch.Tensor]:
        """Separate the inherent signal.

        Args:
            signal: ``[L, B, N, H]``.
            num_forecasts: Number of decoded hidden states.

        Returns:
            tuple: What is left of the signal ``[L, B, N, H]`` (None in the last layer) and the forecast states
            ``[num_forecasts, B, N, H]``.
        """
        cell, hidden_size = self.gru_cell, signal.shape[-1]
        states = self.dropout(GRUOverTime.apply(signal.flatten(1, 2), cell.weight_ih, cell.weight_hh, cell.bias_ih,
                                                cell.bias_hh))  # [L, B * N, H]
        entered = states if self.encoding is None else self.encoded(states)
        query, key, value = self.attention_input(entered).chunk(3, dim=-1)
        attended = self.attend(query, key, value)
        keys, values, last = [key], [value], states[-1]
        weights, biases = self.attention_input.weight.chunk(3), self.attention_input.bias.chunk(3)
        forecasts = [attended[-1]]
        for _ in range(num_forecasts - 1):
            new = cell(forecasts[-1], last)
            query, key, value = self.attention_input(new.unsqueeze(0)).chunk(3, dim=-1)
            if self.encoding is None:
                keys, values, last = [*keys, key], [*values, value], new
            else:
                states = self.encoded(torch.cat([states, new.unsqueeze(0)]))
                keys, values = [F.linear(states, weights[1], biases[1])], [F.linear(states, weights[2], biases[2])]
                last = states[-1]
            forecasts.append(self.attend_once(query[0], keys, values))
        decoded = torch.stack(forecasts).view(num_forecasts, *signal.shape[1:3], hidden_size)
        if self.backcast_layer is None:
            return None, decoded
        backcast = torch.relu(self.backcast_layer(attended)).view_as(signal)
        return self.norm(signal - backcast), decoded
