import math

import torch


def sinusoids(length: int, width: int) -> torch.Tensor:
    """Return the sinusoidal positional encoding ``[length, width]``: sine in even columns, cosine in odd ones."""
    position = torch.arange(length, dtype=torch.float32).unsqueeze(1)
    frequency = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(10000.0) / width))
    encoding = torch.zeros(length, width)
    encoding[:, 0::2] = torch.sin(position * frequency)
    encoding[:, 1::2] = torch.cos(position * frequency[: width // 2])
    return encoding


def linear_columns(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Return ``weight x + bias`` for every column of x: ``[L, in, R]`` to ``[L, out, R]``."""
    return torch.baddbmm(bias.unsqueeze(1), weight.expand(len(x), -1, -1), x)
