from typing import Any

import torch
from torch.autograd.function import once_differentiable


class GroupAttention(torch.autograd.Function):
    """Self-attention inside groups by plain products, a few groups of one head at a time, so that scores stay in cache.

    ``softmax(Q K^T / sqrt(width)) V``. Against the fused attention, it keeps the shares ``[G, heads, L, L]`` for the
    backward pass, and the gradients of query, key and value are born side by side. Results of ``width`` channels are
    computed transposed: a matrix product is a third slower where its narrow side is the inner one in memory.
    """

    SCORES = 350_000  # elements at a time

    @staticmethod
    def forward(ctx: Any, projected: torch.Tensor, num_heads: int) -> torch.Tensor:
        """Attend.

        Args:
            ctx: Keeps what the backward pass needs.
            projected: Query, key and value side by side ``[G, L, 3 heads width]``.
            num_heads: Heads.

        Returns:
            torch.Tensor: ``[G, L, heads width]``.
        """
        groups, length, _ = projected.shape
        parts = projected.view(groups, length, 3, num_heads, -1)
        scale = parts.shape[-1] ** -0.5
        attended = torch.empty_like(parts[:, :, 0])
        per_chunk = max(1, GroupAttention.SCORES // length**2)
        chunks = []
        for part, result in zip(parts.split(per_chunk), attended.split(per_chunk), strict=True):
            for head in range(num_heads):
                query, key, value = part[:, :, :, head].unbind(2)  # [g, L, width]
                shares = torch.baddbmm(query.new_empty(1), query, key.transpose(1, 2), beta=0, alpha=scale)
                torch.softmax(shares, dim=-1, out=shares)
                result[:, :, head] = torch.bmm(value.transpose(1, 2), shares.transpose(1, 2)).transpose(1, 2)
                chunks.append(shares)
        ctx.save_for_backward(projected, *chunks)
        ctx.num_heads = num_heads
        return attended.view(groups, length, -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Return the gradient of ``projected``."""
        projected, *chunks = ctx.saved_tensors
        parts = projected.view(*projected.shape[:2], 3, ctx.num_heads, -1)
        gradient = gradient.reshape(*projected.shape[:2], ctx.num_heads, -1)
        scale = parts.shape[-1] ** -0.5
        of_parts = torch.empty_like(parts)
        buffer = torch.empty_like(chunks[0])
        per_chunk, remaining = len(buffer), iter(chunks)
        for part, of_part, of_result in zip(*(x.split(per_chunk) for x in (parts, of_parts, gradient)), strict=True):
            for head in range(ctx.num_heads):
                shares, of_attended = next(remaining), of_result[:, :, head]
                query, key, value = part[:, :, :, head].unbind(2)
                of_query, of_key, of_value = (x.transpose(1, 2) for x in of_part[:, :, :, head].unbind(2))
                of_value.copy_(torch.bmm(of_attended.transpose(1, 2), shares))
                of_scores = buffer[: len(shares)]
                torch.bmm(of_attended, value.transpose(1, 2), out=of_scores)
                # Not public. A formula takes as long, but its last bits differ, as would the scores of a seed.
                torch.ops.aten._softmax_backward_data.out(of_scores, shares, -1, shares.dtype, grad_input=of_scores)
                torch.mul(torch.bmm(key.transpose(1, 2), of_scores.transpose(1, 2)), scale, out=of_query)
                torch.mul(torch.bmm(query.transpose(1, 2), of_scores), scale, out=of_key)
        return of_parts.view_as(projected), None


def group_attention_plain(projected: torch.Tensor, num_heads: int) -> torch.Tensor:
    """Define :class:`GroupAttention`: ``softmax(Q K^T / sqrt(width)) V`` in every group and head."""
    query, key, value = projected.unflatten(2, (3, num_heads, -1)).permute(2, 0, 3, 1, 4)  # [G, heads, L, width]
    shares = torch.softmax(query @ key.mT / query.shape[-1] ** 0.5, dim=-1)
    return (shares @ value).transpose(1, 2).flatten(2)
