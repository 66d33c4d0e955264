from typing import Any

import torch


def _pair(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    if first.device.type != "cpu":
        if 1 in (len(first), len(second)):
            return (first.unsqueeze(1) * second).sum(3)
        return torch.einsum("jhdr,ihdr->jihr", first, second)
    firsts, seconds = first.unsqueeze(1).unbind(3), second.unsqueeze(0).unbind(3)
    paired = firsts[0] * seconds[0]
    for one, other in zip(firsts[1:], seconds[1:], strict=True):
        paired.addcmul_(one, other)
    return paired


def _weigh(shares: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    if shares.device.type != "cpu":
        if 1 in shares.shape[:2]:
            return (shares.unsqueeze(3) * values).sum(1)
        return torch.einsum("jihr,ihdr->jhdr", shares, values)
    by_step = shares.unsqueeze(3).unbind(1)
    weighed = by_step[0] * values[0]
    for share, value in zip(by_step[1:], values[1:], strict=True):
        weighed.addcmul_(share, value)
    return weighed


class Pair(torch.autograd.Function):
    """Products of every two steps: ``[J, heads, D, R]`` and ``[I, heads, D, R]`` give ``[J, I, heads, R]``.

    The matrices of one sequence and head are too small for a matrix product on a CPU: it runs over the sequences.
    """

    @staticmethod
    def forward(ctx: Any, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(first, second)
        return _pair(first, second)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        first, second = ctx.saved_tensors
        return _weigh(gradient, second), _weigh(gradient.transpose(0, 1), first)


class Weigh(torch.autograd.Function):
    """Sums of the values of all steps by share: ``[J, I, heads, R]`` and ``[I, heads, D, R]`` give
    ``[J, heads, D, R]``; on a CPU over the sequences, as :class:`Pair`."""

    @staticmethod
    def forward(ctx: Any, shares: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(shares, values)
        return _weigh(shares, values)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        shares, values = ctx.saved_tensors
        return _pair(gradient, values), _weigh(shares.transpose(0, 1), gradient)


def pair_plain(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Define :class:`Pair`: the sum over d of ``first[j, h, d, r] second[i, h, d, r]``."""
    return torch.einsum("jhdr,ihdr->jihr", first, second)


def weigh_plain(shares: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Define :class:`Weigh`: the sum over i of ``shares[j, i, h, r] values[i, h, d, r]``."""
    return torch.einsum("jihr,ihdr->jhdr", shares, values)
