"""Dropout whose masks are cheap on a CPU, where drawing a number per element costs as much as a matrix product."""

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.autograd.function import once_differentiable

_LEVELS = 1 << 16  # 16 random bits decide on an element


class Dropout(nn.Dropout):
    """Dropout with four decisions from every random 64-bit number on the CPU; PyTorch's own elsewhere.

    The numbers are NumPy's SFC64, faster than PyTorch's generator, which seeds it. The probability is p rounded to
    a multiple of 2^-16, and the scale is that of the rounded probability.
    """

    def mask(self, inputs: torch.Tensor) -> torch.Tensor | None:
        """Return factors of the shape of ``inputs``, 0 or the scale; None where nothing is to be dropped that way."""
        dropped = round(self.p * _LEVELS)
        cheap = inputs.device.type == "cpu" and not torch.compiler.is_compiling()
        if not self.training or not 0 < dropped < _LEVELS or not cheap:
            return None
        seed = int(torch.empty((), dtype=torch.int64).random_())
        words = torch.from_numpy(np.random.SFC64(seed).random_raw(-(-inputs.numel() // 4)).view(np.int16))
        kept = words[: inputs.numel()].view(inputs.shape).ge_(dropped - _LEVELS // 2)
        return kept.to(inputs.dtype).mul_(_LEVELS / (_LEVELS - dropped))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Drop elements of ``inputs`` in train mode."""
        mask = self.mask(inputs)
        return super().forward(inputs) if mask is None else inputs * mask


class ResidualDropout(Dropout):
    """``residual + dropout(update)`` in one pass."""

    def forward(  # type: ignore[override]  # a module's forward takes what it needs
        self, residual: torch.Tensor, update: torch.Tensor
    ) -> torch.Tensor:
        """Add; in train mode, with elements of ``update`` dropped."""
        mask = self.mask(update)
        if mask is None:
            return residual + nn.functional.dropout(update, self.p, self.training)
        return MaskedSum.apply(residual, update, mask)


class MaskedSum(torch.autograd.Function):
    """``residual + update * mask`` with a constant mask."""

    @staticmethod
    def forward(ctx: Any, residual: torch.Tensor, update: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Add tensors of one shape."""
        ctx.save_for_backward(mask)
        return torch.addcmul(residual, update, mask)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        """Return the gradients of residual and update; torch's own addcmul takes a pass more for the second."""
        return grad, grad * ctx.saved_tensors[0], None


def masked_sum_plain(residual: torch.Tensor, update: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Define :class:`MaskedSum`: ``residual + update * mask``."""
    return residual + update * mask
