"""Dropout whose masks are cheap on a CPU, where drawing a number per element costs as much as a matrix product."""

from typing import Optional

import torch
from torch import nn

_LEVELS = 1 << 16  # 16 random bits decide on an element


class Dropout(nn.Dropout):
    """Dropout with four decisions from every random 64-bit number on the CPU; PyTorch's own elsewhere.

    The probability is p rounded to a multiple of 2^-16, and the scale is that of the rounded probability.
    """

    def mask(self, inputs: torch.Tensor) -> Optional[torch.Tensor]:
        """Return factors of the shape of ``inputs``, 0 or the scale; None where nothing is to be dropped that way."""
        dropped = round(self.p * _LEVELS)
        if not self.training or not 0 < dropped < _LEVELS or inputs.device.type != "cpu":
            return None
        words = torch.empty(-(-inputs.numel() // 4), dtype=torch.int64).random_(-2**63, None)
        kept = words.view(torch.int16)[:inputs.numel()].view(inputs.shape).ge_(dropped - _LEVELS // 2)
        return kept.to(inputs.dtype).mul_(_LEVELS / (_LEVELS - dropped))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Drop elements of ``inputs`` in train mode."""
        mask = self.mask(inputs)
        return super().forward(inputs) if mask is None else inputs * mask


class ResidualDropout(Dropout):
    """``residual + dropout(update)`` in one pass."""

    def forward(self, residual: torch.Tensor, update: torch.Tensor) -> torch.Tensor:
        """Add; in train mode, with elements of ``update`` dropped."""
        mask = self.mask(update)
        if mask is None:
            return residual + nn.functional.dropout(update, self.p, self.training)
        return torch.addcmul(residual, update, mask)
