from typing import Any

import torch
from torch.autograd.function import once_differentiable

from ...products import linear


class ChebyshevConvolution(torch.autograd.Function):
    """``relu(sum_k T_k(L) (x W_k + b_k))``, as one node of the backward pass.

    The channels are mixed before the nodes, all orders in one product, and the sum is Clenshaw's recurrence. L is
    symmetric, so the gradients of the mixed channels are the polynomials of the result's gradient. Only input and
    result are kept.
    """

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, matrix: torch.Tensor
    ) -> torch.Tensor:
        """Convolve.

        Args:
            ctx: Keeps what the backward pass needs.
            x: ``[B, T, N, in_channels]``.
            weight: ``W_0^T, W_1^T, ..``, ``[K, C, in_channels]``.
            bias: ``[K, C]``.
            matrix: L ``[N, N]``, symmetric, dense or sparse.

        Returns:
            torch.Tensor: ``[B, T, N, C]``.
        """
        order, channels, in_channels = weight.shape
        mixed = linear(x.reshape(-1, in_channels), weight.flatten(0, 1), bias.flatten())
        by_order = mixed.view(*x.shape[:3], order, channels).unbind(3)
        result = by_order[0]
        if order > 1:
            result = result + _nodes_last(_clenshaw([_nodes_first(m) for m in by_order[1:]], matrix), result)
        result = torch.relu(result)
        ctx.save_for_backward(x, weight, result)
        ctx.matrix = matrix
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of x, weight and bias."""
        x, weight, result = ctx.saved_tensors
        order, channels, in_channels = weight.shape
        of_mixed = grad.new_empty(*result.shape[:3], order, channels)
        of_total = grad.masked_fill(result <= 0, 0)
        for k, polynomial in enumerate(_polynomials(_nodes_first(of_total), ctx.matrix, order)):
            of_mixed[..., k, :] = _nodes_last(polynomial, of_total) if k else of_total
        rows = of_mixed.view(-1, order * channels)
        of_x = linear(rows, weight.flatten(0, 1).t()).view_as(x)
        of_weight = rows.t() @ x.reshape(-1, in_channels)
        return of_x, of_weight.view_as(weight), rows.sum(0).view(order, channels), None


def chebyshev_convolution_plain(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, matrix: torch.Tensor
) -> torch.Tensor:
    """Define :class:`ChebyshevConvolution`: ``relu(sum_k T_k(L) (x W_k + b_k))`` with ``T_0 = I``, ``T_1 = L`` and
    ``T_k = 2 L T_(k - 1) - T_(k - 2)``."""
    laplacian = matrix.to_dense()
    polynomials = [torch.eye(len(laplacian), dtype=x.dtype), laplacian]
    while len(polynomials) < len(weight):
        polynomials.append(2 * laplacian @ polynomials[-1] - polynomials[-2])
    terms = [polynomials[k] @ (x @ weight[k].t() + bias[k]) for k in range(len(weight))]
    return torch.relu(torch.stack(terms).sum(0))


def _nodes_first(x: torch.Tensor) -> torch.Tensor:
    """Return ``[N, B T C]`` of ``[B, T, N, C]``."""
    return x.permute(2, 0, 1, 3).reshape(x.shape[2], -1)


def _nodes_last(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return a view ``[B, T, N, C]`` of ``[N, B T C]``."""
    batch_size, steps, num_nodes, channels = like.shape
    return x.view(num_nodes, batch_size, steps, channels).permute(1, 2, 0, 3)


def _polynomials(x: torch.Tensor, matrix: torch.Tensor, order: int) -> list[torch.Tensor]:
    """Return ``T_0(L) x, .., T_(order - 1)(L) x``."""
    results = [x]
    for k in range(1, order):
        product = matrix @ results[-1]
        results.append(product if k == 1 else product.mul_(2).sub_(results[-2]))
    return results


def _clenshaw(summands: list[torch.Tensor], matrix: torch.Tensor) -> torch.Tensor:
    """Return ``sum_k T_k(L) x_k`` over k = 1, 2, .."""
    # b_(k + 2) and b_(k + 1) of b_k = x_k + 2 L b_(k + 1) - b_(k + 2)
    later, last = None, summands[-1]
    for x in reversed(summands[:-1]):
        total = torch.addmm(x, matrix, last, alpha=2)
        later, last = last, total if later is None else total.sub_(later)
    result = matrix @ last
    return result if later is None else result.sub_(later)
