from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from .parts import parts
from .products import linear

ELEMENTS = 500_000  # of the input at a time


def feed_forward(x: torch.Tensor, expanding: nn.Linear, reducing: nn.Linear) -> torch.Tensor:
    """Return ``reducing(relu(expanding(x)))``."""
    if torch.is_autocast_enabled(x.device.type):
        return reducing(expanding(x).relu_())
    return FeedForward.apply(x, expanding.weight, expanding.bias, reducing.weight, reducing.bias)


class FeedForward(torch.autograd.Function):
    """``relu(x W_1^T + b_1) W_2^T + b_2`` as one node of the backward pass, in which the hidden layer's gradient stays
    in the cache of a CPU."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        expanding: torch.Tensor,
        expanding_bias: torch.Tensor,
        reducing: torch.Tensor,
        reducing_bias: torch.Tensor,
    ) -> torch.Tensor:
        """Map ``[.., in]`` to ``[.., out]`` by W_1 ``[H, in]``, b_1 ``[H]``, W_2 ``[out, H]`` and b_2 ``[out]``."""
        hidden = linear(x, expanding, expanding_bias, relu=True)
        ctx.save_for_backward(x, expanding, reducing, hidden)
        return linear(hidden, reducing, reducing_bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the gradients of ``forward``'s arguments."""
        x, expanding, reducing, hidden = ctx.saved_tensors
        of_expanding, of_reducing = torch.zeros_like(expanding), torch.zeros_like(reducing)
        of_expanding_bias = expanding.new_zeros(len(expanding))
        rows, hidden, grad = (t.reshape(-1, t.shape[-1]) for t in (x, hidden, grad))
        of_rows = torch.empty_like(rows)
        for part in parts(rows, ELEMENTS):
            of_hidden = linear(grad[part], reducing.t()).masked_fill_(hidden[part] <= 0, 0)
            torch.mm(of_hidden, expanding, out=of_rows[part])
            of_expanding.addmm_(of_hidden.t(), rows[part])
            of_reducing.addmm_(grad[part].t(), hidden[part])
            of_expanding_bias += of_hidden.sum(0)
        return of_rows.view(x.shape), of_expanding, of_expanding_bias, of_reducing, grad.sum(0)


def feed_forward_plain(
    x: torch.Tensor,
    expanding: torch.Tensor,
    expanding_bias: torch.Tensor,
    reducing: torch.Tensor,
    reducing_bias: torch.Tensor,
) -> torch.Tensor:
    """Define :class:`FeedForward`: ``relu(x W_1^T + b_1) W_2^T + b_2``."""
    return torch.relu(x @ expanding.t() + expanding_bias) @ reducing.t() + reducing_bias
