"""Matrix products for forward and backward passes that are written by hand."""

from typing import Any

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

# Not public, but what torch.compile puts in the place of a linear layer. BLAS takes longer where a side of the weight
# is short, and adds the bias in a pass of its own (benchmarks/operations.py). A whole step gains little, but the
# last bits of F.linear differ, as would the scores of a seed.
ONEDNN_LINEAR = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None


def linear(
    rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None, relu: bool = False
) -> torch.Tensor:
    """Return ``rows weight^T + bias``, on request through ReLU, with oneDNN on a CPU; autograd doesn't see through it.

    Args:
        rows: ``[.., in]``.
        weight: ``[out, in]``.
        bias: ``[out]``.
        relu: Whether negative results become 0.

    Returns:
        torch.Tensor: ``[.., out]``.
    """
    usable = rows.device.type == "cpu" and rows.dtype == torch.float32 and not torch.compiler.is_compiling()
    if ONEDNN_LINEAR is not None and usable:
        bias = None if bias is None else bias.contiguous()  # its strides are ignored
        return ONEDNN_LINEAR(rows, weight, bias, "relu" if relu else "none", [], "")
    result = F.linear(rows, weight, bias)
    return result.relu_() if relu else result


def linear_layer(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Return ``rows weight^T + bias``, differentiable."""
    if torch.is_autocast_enabled(rows.device.type):
        return F.linear(rows, weight, bias)
    return Linear.apply(rows, weight, bias)


class Linear(torch.autograd.Function):
    """``rows weight^T + bias`` by :func:`linear`, differentiable."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """Map ``[.., in]`` to ``[.., out]``."""
        ctx.save_for_backward(rows, weight)
        return linear(rows, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of rows, weight and bias."""
        rows, weight = ctx.saved_tensors
        flat = grad.reshape(-1, grad.shape[-1])
        of_rows = linear(flat, weight.t()).view_as(rows) if ctx.needs_input_grad[0] else None
        return of_rows, flat.t() @ rows.reshape(-1, rows.shape[-1]), flat.sum(0)


def linear_plain(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Define :class:`Linear`: ``rows weight^T + bias``."""
    return rows @ weight.t() + bias
