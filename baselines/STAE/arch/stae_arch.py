from typing import cast

import torch
import torch.nn.functional as F
from torch import nn

from ...dropout import ResidualDropout
from ...feed_forward import feed_forward
from ...products import linear_layer
from ..config.stae_config import STAEConfig
from .group_attention import GroupAttention

# Up to the first length, PyTorch's fused attention costs more than it saves; up to the second, a function of our own
# is faster on a CPU, and its memory, which grows with the square, is no matter.
SHORT, LONG = 32, 512


class AttentionLayer(nn.Module):
    """Self-attention along the last but one dimension and a feed-forward part, normalised after each residual.

    Args:
        model_dim: Channels.
        feed_forward_dim: Hidden width of the feed-forward part.
        num_heads: Heads.
        dropout: Dropout after attention and after feed-forward.
    """

    def __init__(self, model_dim: int, feed_forward_dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query, self.key, self.value, self.out = (nn.Linear(model_dim, model_dim) for _ in range(4))
        self.expand, self.reduce = nn.Linear(model_dim, feed_forward_dim), nn.Linear(feed_forward_dim, model_dim)
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(model_dim), nn.LayerNorm(model_dim)
        self.dropout = ResidualDropout(dropout)

    def projection(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weight and bias of the map to query, key and value, side by side."""
        layers = (self.query, self.key, self.value)
        return torch.cat([layer.weight for layer in layers]), torch.cat([layer.bias for layer in layers])

    def forward(self, tokens: torch.Tensor, projected: torch.Tensor | None = None) -> torch.Tensor:
        """Attend.

        Args:
            tokens: Tokens ``[G, L, model_dim]`` of G groups.
            projected: ``F.linear(tokens, *self.projection())``, where it is known already.

        Returns:
            torch.Tensor: Tokens ``[G, L, model_dim]``.
        """
        if projected is None:
            projected = linear_layer(tokens, *self.projection())
        attended = attention(projected, self.num_heads)
        tokens = self.attention_norm(self.dropout(tokens, linear_layer(attended, self.out.weight, self.out.bias)))
        return self.feed_forward_norm(self.dropout(tokens, feed_forward(tokens, self.expand, self.reduce)))


def attention(projected: torch.Tensor, num_heads: int) -> torch.Tensor:
    """Return ``softmax(Q K^T / sqrt(width)) V`` ``[G, L, model_dim]`` of all heads; Q, K, V are side by side."""
    groups, length, _ = projected.shape
    if SHORT < length <= LONG and projected.requires_grad and projected.device.type == "cpu":
        return GroupAttention.apply(projected, num_heads)
    heads = projected.view(groups, length, 3, num_heads, -1)
    query, key, value = (part.transpose(1, 2) for part in heads.unbind(2))  # [G, heads, L, width]
    if length > SHORT:
        attended = F.scaled_dot_product_attention(query, key, value)
    else:
        # Keys in rows: a softmax over the short last dimension takes twice as long on a CPU.
        shares = torch.softmax((key * key.shape[-1] ** -0.5) @ query.transpose(2, 3), dim=-2)
        attended = shares.transpose(2, 3) @ value
    return attended.transpose(1, 2).reshape(groups, length, -1)


class STAE(nn.Module):
    """STAEformer: self-attention in time, then over the nodes, on spatio-temporal adaptive embeddings.

    Paper: STAEformer: Spatio-Temporal Adaptive Embedding Makes Vanilla Transformer SOTA for Traffic Forecasting
    (Liu et al., CIKM 2023).

    Args:
        config: Lengths and widths.

    Raises:
        ValueError: If the heads do not divide the sum of the embedding widths.
    """

    def __init__(self, config: STAEConfig) -> None:
        super().__init__()
        self.config = config
        self.model_dim = model_dim = (
            config.input_embedding_dim
            + config.time_of_day_embedding_dim
            + config.day_of_week_embedding_dim
            + config.spatial_embedding_dim
            + config.adaptive_embedding_dim
        )
        if model_dim % config.num_heads:
            raise ValueError(
                f"num_heads={config.num_heads}: expected a divisor of {model_dim}, the sum of the "
                "embedding widths; change one of them"
            )
        input_channels = 1 + config.use_time_of_day + config.use_day_of_week
        self.input_projection = nn.Linear(input_channels, config.input_embedding_dim)
        if config.time_of_day_embedding_dim:
            self.time_of_day_embedding = nn.Embedding(config.steps_per_day, config.time_of_day_embedding_dim)
        if config.day_of_week_embedding_dim:
            self.day_of_week_embedding = nn.Embedding(7, config.day_of_week_embedding_dim)
        if config.spatial_embedding_dim:
            self.spatial_embedding = nn.Parameter(torch.empty(config.num_nodes, config.spatial_embedding_dim))
            nn.init.xavier_uniform_(self.spatial_embedding)
        if config.adaptive_embedding_dim:
            self.adaptive_embedding = nn.Parameter(
                torch.empty(config.input_len, config.num_nodes, config.adaptive_embedding_dim)
            )
            nn.init.xavier_uniform_(self.adaptive_embedding)
        settings = (model_dim, config.feed_forward_dim, config.num_heads, config.dropout)
        self.temporal_layers = nn.ModuleList(AttentionLayer(*settings) for _ in range(config.num_layers))
        self.spatial_layers = nn.ModuleList(AttentionLayer(*settings) for _ in range(config.num_layers))
        if config.mixed_projection:
            self.output_projection = nn.Linear(config.input_len * model_dim, config.output_len)
        else:
            self.temporal_projection = nn.Linear(config.input_len, config.output_len)
            self.channel_projection = nn.Linear(model_dim, 1)

    def _parts(self, timestamps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return what the embeddings are a sum of.

        Returns:
            tuple: The part of the time ``[B, 1, input_len, model_dim]``, the part of the place ``[N or 1, input_len or
            1, model_dim]`` and the direction of the readings ``[1, model_dim]``.
        """
        config, weight = self.config, self.input_projection.weight
        time_of_day, day_of_week = timestamps.unbind(-1)
        raw = [time_of_day] * config.use_time_of_day + [day_of_week] * config.use_day_of_week
        times = [self.input_projection.bias.expand(*timestamps.shape[:2], -1)]
        if raw:
            times[0] = F.linear(torch.stack(raw, dim=-1), weight[:, 1:], self.input_projection.bias)
        if config.time_of_day_embedding_dim:
            times.append(self.time_of_day_embedding(time_index(time_of_day, config.steps_per_day)))
        if config.day_of_week_embedding_dim:
            times.append(self.day_of_week_embedding(time_index(day_of_week, 7)))
        place = [weight.new_zeros(1, 1, self.model_dim - config.spatial_embedding_dim - config.adaptive_embedding_dim)]
        if config.spatial_embedding_dim:
            place.append(self.spatial_embedding.unsqueeze(1))
        if config.adaptive_embedding_dim:
            place.append(self.adaptive_embedding.transpose(0, 1))
        shape = torch.broadcast_shapes(*(part.shape[:2] for part in place))
        time = torch.cat(times, dim=-1).unsqueeze(1)
        return (
            F.pad(time, (0, self.model_dim - time.shape[-1])),
            torch.cat([part.expand(*shape, -1) for part in place], dim=-1),
            F.pad(weight[:, :1].t(), (0, self.model_dim - config.input_embedding_dim)),
        )

    def _embed(self, inputs: torch.Tensor, timestamps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the embeddings and, for the first layer, their map to query, key and value.

        The embeddings are a sum of a part of the time, one of the place and the reading times a direction. A linear
        map of them is the sum of the mapped parts, which are smaller by a factor of N or B.

        Returns:
            tuple: ``[B * N, input_len, model_dim]`` and ``[B * N, input_len, 3 model_dim]``.
        """
        batch_size, input_len, num_nodes = inputs.shape
        readings = inputs.transpose(1, 2).reshape(-1, 1)

        def summed(time: torch.Tensor, place: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
            base = (time + place).expand(batch_size, num_nodes, input_len, -1)
            return torch.addmm(base.reshape(len(readings), -1), readings, direction).view(-1, input_len, base.shape[-1])

        parts = self._parts(timestamps)
        if not self.temporal_layers:
            return summed(*parts), None
        weight, bias = cast(AttentionLayer, self.temporal_layers[0]).projection()
        return summed(*parts), summed(F.linear(parts[0], weight, bias), *(part @ weight.t() for part in parts[1:]))

    def forward(self, inputs: torch.Tensor, inputs_timestamps: torch.Tensor) -> torch.Tensor:
        """Forecast.

        Args:
            inputs: Normalised readings ``[B, input_len, num_nodes]``.
            inputs_timestamps: Time of day and day of week ``[B, input_len, 2]``.

        Returns:
            torch.Tensor: Normalised forecast ``[B, output_len, num_nodes]``.
        """
        batch_size, input_len, num_nodes = inputs.shape
        tokens, projected = self._embed(inputs, inputs_timestamps)  # [B * N, input_len, model_dim]
        for layer in self.temporal_layers:
            tokens, projected = layer(tokens, projected), None
        tokens = tokens.view(batch_size, num_nodes, input_len, -1).transpose(1, 2).flatten(0, 1)
        for layer in self.spatial_layers:
            tokens = layer(tokens)
        tokens = tokens.view(batch_size, input_len, num_nodes, -1)
        if self.config.mixed_projection:
            # Step by step: one product would need the steps of a node side by side.
            weights = self.output_projection.weight.unflatten(1, (input_len, -1)).permute(1, 2, 0)  # [T, D, output_len]
            of_steps = torch.matmul(tokens, weights)  # [B, T, N, output_len]
            return (of_steps.sum(1) + self.output_projection.bias).transpose(1, 2)
        # The channels first, which leaves a thin tensor for the steps; both biases come after.
        channel = self.channel_projection
        bias = self.temporal_projection.bias * channel.weight.sum() + channel.bias
        forecast = F.linear((tokens @ channel.weight[0]).transpose(1, 2), self.temporal_projection.weight, bias)
        return forecast.transpose(1, 2)


def time_index(time: torch.Tensor, steps: int) -> torch.Tensor:
    """Return the step in its cycle of ``steps`` of a time in [0, 1)."""
    return (time * steps + 0.5).floor().long() % steps
