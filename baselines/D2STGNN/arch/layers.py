import math

import torch
from torch import nn

_LEVELS = 1 << 16


class Dropout(nn.Dropout):
    """Dropout that draws 16 random bits per element on the CPU, where drawing is most of its cost.

    The probability is rounded to a multiple of 2^-16 there, and the scale is that of the rounded probability.
    """

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        dropped = round(self.p * _LEVELS)
        if not self.training or dropped == 0:
            return inputs
        if inputs.device.type != "cpu" or dropped == _LEVELS:
            return super().forward(inputs)
        words = torch.empty(-(-inputs.numel() // 4), dtype=torch.int64).random_(-2**63, None)
        kept = words.view(torch.int16)[:inputs.numel()].view(inputs.shape) >= dropped - _LEVELS // 2
        return inputs * kept.to(inputs.dtype).mul_(_LEVELS / (_LEVELS - dropped))


def sinusoids(length: int, width: int) -> torch.Tensor:
    """Return the sinusoidal positional encoding ``[length, width]``: sine in even columns, cosine in odd ones."""
    position = torch.arange(length, dtype=torch.float32).unsqueeze(1)
    frequency = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(10000.0) / width))
    encoding = torch.zeros(length, width)
    encoding[:, 0::2] = torch.sin(position * frequency)
    encoding[:, 1::2] = torch.cos(position * frequency[:width // 2])
    return encoding
