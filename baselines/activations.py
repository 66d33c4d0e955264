import torch


def tanh_(x: torch.Tensor) -> torch.Tensor:
    """Return ``tanh(x)`` in place, as ``2 sigmoid(2 x) - 1``: a CPU takes twice as long for its own."""
    return x.mul_(2).sigmoid_().mul_(2).sub_(1)
