from collections.abc import Sequence
from typing import Any

import torch
from torch.autograd.function import once_differentiable


class Diffusion(torch.autograd.Function):
    """``x W_0 + sum_k S_k (x W_k) + b`` of every step, as one node of the backward pass.

    The channels are mixed before the nodes, so that the products with all supports of a set and their sum are one
    product. One step after the other, each small enough for the cache of a CPU.
    """

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor, *supports: torch.Tensor
    ) -> torch.Tensor:
        """Diffuse.

        Args:
            ctx: Keeps what the backward pass needs.
            x: ``[T, N B, in_channels]``.
            weights: ``W_0, W_1, ..``, ``[1 + K, in_channels, C]``.
            bias: ``[C]``.
            supports: Sets ``[N, n N]`` of n matrices side by side; the n sum up to K.

        Returns:
            torch.Tensor: ``[T, N B, C]``.
        """
        own, mixing = _split(weights, supports)
        result = x.new_empty(*x.shape[:2], weights.shape[2])
        kept = []
        for step, out in zip(x, result, strict=True):
            torch.addmm(bias, step, own, out=out)
            for support, weight in zip(supports, mixing, strict=True):
                mixed = torch.bmm(step.expand(len(weight), -1, -1), weight).view(support.shape[1], -1)
                out.view(len(support), -1).addmm_(support, mixed)
                if support.requires_grad:
                    kept.append(mixed)
        ctx.save_for_backward(x, weights, *supports, *kept)
        ctx.num_sets = len(supports)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of ``forward``'s arguments."""
        x, weights, *rest = ctx.saved_tensors
        supports, kept = rest[: ctx.num_sets], iter(rest[ctx.num_sets :])
        own, mixing = _split(weights, supports)
        of_x, of_weights, of_bias = torch.empty_like(x), torch.zeros_like(weights), weights.new_zeros(weights.shape[2])
        of_own, of_mixing = _split(of_weights, supports)
        of_supports = [torch.zeros_like(support) if support.requires_grad else None for support in supports]
        for step, of_step, of_out in zip(x, of_x, grad.contiguous(), strict=True):
            of_bias += of_out.sum(0)
            torch.mm(of_out, own.t(), out=of_step)
            of_own.addmm_(step.t(), of_out)
            by_node = of_out.view(len(supports[0]), -1)
            for support, weight, of_weight, of_support in zip(supports, mixing, of_mixing, of_supports, strict=True):
                of_mixed = torch.mm(support.t(), by_node).view(len(weight), *of_out.shape)
                of_weight.baddbmm_(step.t().expand(len(weight), -1, -1), of_mixed)
                for of_summand, factor in zip(of_mixed, weight, strict=True):
                    of_step.addmm_(of_summand, factor.t())
                if of_support is not None:
                    of_support.addmm_(by_node, next(kept).t())
        return of_x, of_weights, of_bias, *of_supports


def _split(weights: torch.Tensor, supports: Sequence[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return W_0 and the other weights by set of supports."""
    own, *mixing = weights.split([1] + [support.shape[1] // len(support) for support in supports])
    return own[0], mixing


def diffusion(x: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor, *supports: torch.Tensor) -> torch.Tensor:
    """Return what :class:`Diffusion` returns; elsewhere than on a CPU all steps at once, few products to start."""
    return (Diffusion.apply if x.device.type == "cpu" else at_once)(x, weights, bias, *supports)


def at_once(x: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor, *supports: torch.Tensor) -> torch.Tensor:
    """Return the same of all steps at once."""
    steps, (count, _, channels), matrix = len(x), weights.shape, torch.cat(supports, dim=1)  # [N, K N]
    mixed = (x @ weights.transpose(0, 1).flatten(1)).view(steps, len(matrix), -1, count, channels)
    own = mixed[:, :, :, 0] + bias
    others = mixed[:, :, :, 1:].permute(0, 3, 1, 2, 4).reshape(steps, matrix.shape[1], -1)
    return torch.baddbmm(own.flatten(2), matrix.expand(steps, -1, -1), others).view(*x.shape[:2], channels)


def diffusion_plain(
    x: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor, *supports: torch.Tensor
) -> torch.Tensor:
    """Define :class:`Diffusion`: ``x W_0 + sum_k S_k (x W_k) + b``."""
    matrices = [matrix for support in supports for matrix in support.split(len(support), dim=1)]
    result = x @ weights[0] + bias
    for matrix, weight in zip(matrices, weights[1:], strict=True):
        by_node = (x @ weight).unflatten(1, (len(matrix), -1))  # [T, N, B, C]
        result = result + torch.einsum("ij,tjbc->tibc", matrix, by_node).flatten(1, 2)
    return result
