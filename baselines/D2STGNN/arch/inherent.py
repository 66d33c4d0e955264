import functools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from ...dropout import Dropout
from .attention import Pair, Weigh
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

    encoding: torch.Tensor | None

    def __init__(
        self, hidden_size: int, num_heads: int, forecast_size: int, dropout: float, max_len: int | None, backcast: bool
    ) -> None:
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
        encoding = None if max_len is None else sinusoids(max_len, hidden_size)
        self.register_buffer("encoding", encoding, persistent=False)

    def project(self, states: torch.Tensor) -> list[torch.Tensor]:
        """Return queries, keys and values of ``[L, H, R]``, each ``[L, heads, H / heads, R]``."""
        projected = project(self.attention_input, states).unflatten(1, (3, self.num_heads, -1))
        return [*projected.unbind(1)]

    def attend(self, query: torch.Tensor, keys: Sequence[torch.Tensor], values: Sequence[torch.Tensor]) -> torch.Tensor:
        """Attend with queries to pieces of keys and values, all ``[., heads, H / heads, R]``; returns ``[., H, R]``."""
        query = query * self.scale
        scores = torch.cat([Pair.apply(key, query) for key in keys])
        shares = self.dropout(torch.softmax(scores, dim=0)).transpose(0, 1).split([len(v) for v in values], dim=1)
        mixed = functools.reduce(torch.add, map(Weigh.apply, shares, values))
        return self.dropout(project(self.attention_output, mixed.flatten(1, 2)))

    def forward(self, signal: torch.Tensor, num_forecasts: int) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Separate the inherent signal.

        Args:
            signal: ``[R, L, H]``.
            num_forecasts: Number of decoded hidden states.

        Returns:
            tuple: What is left of the signal ``[R, L, H]`` (None in the last layer) and the forecast states
            ``[num_forecasts, H, R]``.
        """
        rows, length, hidden_size = signal.shape
        states = self.step(signal.permute(1, 2, 0), signal.new_zeros(hidden_size, rows))
        states = self.dropout(states)
        entered = states if self.encoding is None else self.dropout(states + self.encoding[:length].unsqueeze(2))
        query, key, value = self.project(entered)
        attended = self.attend(query, [key], [value])
        forecasts = self.forecast(states, key, value, attended[-1:], num_forecasts)
        if self.backcast_layer is None or self.norm is None:
            return None, forecasts
        backcast = project(self.backcast_layer, attended).relu_().permute(2, 0, 1)
        return self.norm(signal - backcast), forecasts

    def step(self, inputs: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """Run the recurrent unit over ``[L, H, R]`` from ``[H, R]``; returns the states ``[L, H, R]``."""
        cell = self.gru_cell
        return GRUOverTime.apply(inputs, state, cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)

    def forecast(
        self, states: torch.Tensor, key: torch.Tensor, value: torch.Tensor, first: torch.Tensor, num_forecasts: int
    ) -> torch.Tensor:
        """Decode the forecast states ``[num_forecasts, H, R]``, which begin with ``first``.

        The first layer adds the positional encoding to all states again at each step. Keys and values are linear in the
        states, so what is added to them is the projected encoding.
        """
        forecasts, last, position = [first], states[-1], len(states)
        if self.encoding is not None and num_forecasts > 1:
            _, key, value = self.project(states)
            _, weight_key, weight_value = self.attention_input.weight.chunk(3)
            added = [
                F.linear(self.encoding, weight).view(len(self.encoding), self.num_heads, -1, 1)
                for weight in (weight_key, weight_value)
            ]
        keys, values = [key], [value]
        for _ in range(num_forecasts - 1):
            new = self.step(forecasts[-1], last)
            last = new[0]
            query, key, value = self.project(new)
            keys, values = [*keys, key], [*values, value]
            if key.device.type != "cpu":  # where starting an operation costs more than copying
                keys, values = [torch.cat(keys)], [torch.cat(values)]
            if self.encoding is not None:
                last = last + self.encoding[position].unsqueeze(1)
                sizes = [len(piece) for piece in keys]
                keys, values = (
                    [
                        piece + of_piece
                        for piece, of_piece in zip(pieces, encoding[: position + 1].split(sizes), strict=True)
                    ]
                    for pieces, encoding in zip((keys, values), added, strict=True)
                )
                position += 1
            forecasts.append(self.attend(query, keys, values))
        return torch.cat(forecasts)


def project(layer: nn.Linear, columns: torch.Tensor) -> torch.Tensor:
    """Apply a linear layer to the columns of ``[L, in, R]``; returns ``[L, out, R]``."""
    return torch.baddbmm(layer.bias.unsqueeze(1), layer.weight.expand(len(columns), -1, -1), columns)
