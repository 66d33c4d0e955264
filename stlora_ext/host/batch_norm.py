"""Batch norms over the windows of all processes, on CPUs too, where torch has no such thing."""

from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from stlora_ext.host.processes import Processes


def batch_norms(model: nn.Module) -> list[BatchNorm]:
    """Return the batch norms of a model that take mean and variance of the batch, in the mode in which it is."""
    norms = (module for module in model.modules() if isinstance(module, BatchNorm))
    return [norm for norm in norms if norm.training or norm.running_mean is None]


def synchronise(model: nn.Module, processes: Processes) -> None:
    """Let the batch norms of ``model`` take mean and variance over the windows of all processes.

    Weights and names stay as they are, and so does the forecast outside training.
    """
    for module in model.modules():
        if isinstance(module, BatchNorm):
            module.forward = partial(_normalised, module, processes)  # type: ignore[method-assign]


def _normalised(norm: BatchNorm, processes: Processes, x: torch.Tensor) -> torch.Tensor:
    """Normalise ``x [B, channels, ...]``, of which every process has its own windows."""
    if not (norm.training or norm.running_mean is None):
        return type(norm).forward(norm, x)
    others, shape = [dim for dim in range(x.dim()) if dim != 1], [1, -1] + [1] * (x.dim() - 2)
    dtype, x = x.dtype, x.to(norm.weight.dtype if norm.affine else torch.float32)  # autocast hands on fewer bits
    own = 0.0 if processes.idle else 1.0
    sums = torch.cat([x.sum(others) * own, x.new_full((1,), x.numel() // x.shape[1] * own)])
    *_, count = sums = _Sum.apply(sums)
    mean = sums[:-1] / count
    centred = x - mean.view(shape)
    var = _Sum.apply(centred.square().sum(others) * own) / count
    if norm.training and norm.running_mean is not None and norm.running_var is not None:
        assert norm.num_batches_tracked is not None
        norm.num_batches_tracked.add_(1)
        weight = 1 / norm.num_batches_tracked.item() if norm.momentum is None else norm.momentum
        with torch.no_grad():
            norm.running_mean.lerp_(mean, weight)
            norm.running_var.lerp_(var * count / (count - 1), weight)
    y = centred * torch.rsqrt(var + norm.eps).view(shape)
    y = torch.addcmul(norm.bias.view(shape), y, norm.weight.view(shape)) if norm.affine else y
    return y.to(dtype)


class _Sum(torch.autograd.Function):
    """The sum over all processes; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, own: torch.Tensor) -> torch.Tensor:
        total = own.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total
