from typing import Any

import torch
from torch.autograd.function import once_differentiable

from ...activations import sigmoid_gradient


class DilatedGate(torch.autograd.Function):
    """Dilated convolution over time with a gate, ``tanh(p) * sigmoid(q)``, as one node of the backward pass.

    One step after the other, each small enough for the cache of a CPU. tanh(p) is ``1 - 2 sigmoid(-2 p)``, because a
    CPU takes several times longer for a tanh than for a sigmoid: the weights are those of ``-2 p`` and of q.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, taps: torch.Tensor, bias: torch.Tensor, dilation: int) -> torch.Tensor:
        """Convolve.

        Args:
            ctx: Keeps what the backward pass needs.
            x: ``[T, M, in_channels]``.
            taps: Weights of ``-2 p`` and q side by side, ``[kernel, in_channels, 2 C]``.
            bias: ``[2 C]``.
            dilation: Steps between two taps.

        Returns:
            torch.Tensor: ``[T - (kernel - 1) dilation, M, C]``.
        """
        steps = len(x) - (len(taps) - 1) * dilation
        sigmoids = x.new_empty(steps, x.shape[1], len(bias))
        result = x.new_empty(steps, x.shape[1], len(bias) // 2)
        for t in range(steps):
            torch.addmm(bias, x[t], taps[0], out=sigmoids[t])
            for k in range(1, len(taps)):
                sigmoids[t].addmm_(x[t + k * dilation], taps[k])
            sigmoid_p, gate = sigmoids[t].sigmoid_().chunk(2, dim=1)
            torch.addcmul(gate, sigmoid_p, gate, value=-2, out=result[t])
        ctx.save_for_backward(x, taps, sigmoids, result)
        ctx.dilation = dilation
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of x, taps and bias."""
        x, taps, sigmoids, result = ctx.saved_tensors
        of_x, of_taps, of_bias = torch.zeros_like(x), torch.zeros_like(taps), taps.new_zeros(taps.shape[2])
        of_sums = torch.empty_like(sigmoids[0])
        of_p, of_gate = of_sums.chunk(2, dim=1)
        for t in range(len(grad)):
            sigmoid_p, gate = sigmoids[t].chunk(2, dim=1)
            sigmoid_gradient(torch.mul(grad[t], gate).mul_(-2), sigmoid_p, out=of_p)
            gated = grad[t] * result[t]
            torch.addcmul(gated, gated, gate, value=-1, out=of_gate)
            of_bias += of_sums.sum(0)
            for k in range(len(taps)):
                of_x[t + k * ctx.dilation].addmm_(of_sums, taps[k].t())
                of_taps[k].addmm_(x[t + k * ctx.dilation].t(), of_sums)
        return of_x, of_taps, of_bias, None


def dilated_gate(x: torch.Tensor, taps: torch.Tensor, bias: torch.Tensor, dilation: int) -> torch.Tensor:
    """Return what :class:`DilatedGate` returns; elsewhere than on a CPU all steps at once, few products to start."""
    return DilatedGate.apply(x, taps, bias, dilation) if x.device.type == "cpu" else at_once(x, taps, bias, dilation)


def at_once(x: torch.Tensor, taps: torch.Tensor, bias: torch.Tensor, dilation: int) -> torch.Tensor:
    """Return the same of all steps at once."""
    steps = len(x) - (len(taps) - 1) * dilation
    windows = torch.cat([x[k * dilation : k * dilation + steps] for k in range(len(taps))], dim=2)
    sigmoid_p, gate = torch.sigmoid(torch.matmul(windows, taps.flatten(0, 1)) + bias).chunk(2, dim=2)
    return torch.addcmul(gate, sigmoid_p, gate, value=-2)


def dilated_gate_plain(x: torch.Tensor, taps: torch.Tensor, bias: torch.Tensor, dilation: int) -> torch.Tensor:
    """Define :class:`DilatedGate`: ``tanh(p) * sigmoid(q)``, with ``-2 p`` and q the sums over k of
    ``x[t + k dilation] taps[k]``, plus their biases."""
    steps = len(x) - (len(taps) - 1) * dilation
    sums = bias + sum(x[k * dilation : k * dilation + steps] @ tap for k, tap in enumerate(taps))
    value, gate = sums.chunk(2, dim=2)
    return torch.tanh(value / -2) * torch.sigmoid(gate)
