"""Matrix products for forward and backward passes that are written by hand."""

import torch
import torch.nn.functional as F

# Not public, but what torch.compile puts in the place of a linear layer. BLAS takes up to twice as long where a side of the
# weight is short, and adds the bias in a pass of its own.
_ONEDNN = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None


def linear(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None, relu: bool = False
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
    if _ONEDNN is not None and rows.device.type == "cpu" and rows.dtype == torch.float32:
        return _ONEDNN(rows, weight, bias, "relu" if relu else "none", [], "")
    result = F.linear(rows, weight, bias)
    return result.relu_() if relu else result
