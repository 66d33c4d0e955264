import torch
from torch import nn


class ResidualDropout(nn.Dropout):
    """``residual + dropout(update)`` with four decisions from every random 64-bit number.

    On a CPU, PyTorch's dropout draws one number per element, which costs as much as a matrix product. Here 16 bits
    decide, so that the probability is p rounded to a multiple of 2^-16.
    """

    def forward(self, residual: torch.Tensor, update: torch.Tensor) -> torch.Tensor:
        """Add; in train mode, with the elements of ``update`` dropped."""
        if not self.training or self.p in (0, 1):
            return residual + super().forward(update)
        dropped = min(round(self.p * 2 ** 16), 2 ** 16 - 1)
        bits = torch.empty((update.numel() + 3) // 4, dtype=torch.int64, device=update.device).random_(-2 ** 63, None)
        keep = (bits.view(torch.int16)[:update.numel()] >= dropped - 2 ** 15).view_as(update)
        return torch.addcmul(residual, update, keep.to(update.dtype).mul_(2 ** 16 / (2 ** 16 - dropped)))
