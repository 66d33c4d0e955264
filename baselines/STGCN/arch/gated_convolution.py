from typing import Any

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from ...activations import sigmoid_gradient, tanh_gradient
from ...parts import parts

ELEMENTS = 450_000  # of a gate's gradient at a time


class GatedConvolution(torch.autograd.Function):
    """Convolution over time with a gate: ``p * sigmoid(q)`` or ``tanh(p) * sigmoid(q)``, as one node of the backward
    pass.

    The gradients of p and q are born side by side, so that those of the input and of the weight are one operation each.
    The weight's is a matrix product: the convolution's own takes much longer on a CPU (benchmarks/operations.py).
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, gtu: bool) -> torch.Tensor:
        """Convolve.

        Args:
            ctx: Keeps what the backward pass needs.
            x: ``[B, T, N, in_channels]``.
            weight: Of p, then of q, ``[2 C, in_channels, kernel, 1]``.
            bias: ``[2 C]``.
            gtu: Whether p goes through tanh.

        Returns:
            torch.Tensor: ``[B, T - kernel + 1, N, C]``.
        """
        # Channels stay last in memory: the layout in which the convolution and the gate need no copies. Two
        # convolutions, because the halves of one would be strided.
        value, gate = (
            F.conv2d(x.permute(0, 3, 1, 2), *half).permute(0, 2, 3, 1).contiguous()
            for half in zip(weight.chunk(2), bias.chunk(2), strict=True)
        )
        gate = torch.sigmoid(gate)  # not in place, which compiled code of torch 2.11 differentiates wrongly
        value = torch.tanh(value) if gtu else value
        ctx.save_for_backward(x, weight, gate, value)
        ctx.gtu = gtu
        return value * gate

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of x, weight and bias."""
        x, weight, gate, value = ctx.saved_tensors
        of_halves = _gate_gradient(grad, gate, value, ctx.gtu)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = F.conv_transpose2d(of_halves.permute(0, 3, 1, 2), weight).permute(0, 2, 3, 1)
        return of_x, *weight_gradients(x, of_halves, weight.shape[2]), None


def gated_convolution_plain(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, gtu: bool) -> torch.Tensor:
    """Define :class:`GatedConvolution`: ``p * sigmoid(q)`` or ``tanh(p) * sigmoid(q)``, p and q being convolutions."""
    value, gate = F.conv2d(x.permute(0, 3, 1, 2), weight, bias).permute(0, 2, 3, 1).chunk(2, dim=-1)
    return (torch.tanh(value) if gtu else value) * torch.sigmoid(gate)


def _gate_gradient(grad: torch.Tensor, gate: torch.Tensor, value: torch.Tensor, gtu: bool) -> torch.Tensor:
    """Return the gradients of p and q, side by side; ``value`` is p (GLU) or tanh(p) (GTU)."""
    if torch.compiler.is_compiling():  # which takes no results in halves of a tensor
        of_p = tanh_gradient(grad * gate, value) if gtu else grad * gate
        return torch.cat([of_p, sigmoid_gradient(grad * value, gate)], dim=-1)
    halves = grad.new_empty(*grad.shape[:-1], 2 * grad.shape[-1])
    of_p, of_q = halves.chunk(2, dim=-1)
    for part in parts(grad, ELEMENTS):
        torch.mul(grad[part], gate[part], out=of_p[part])
        if gtu:
            tanh_gradient(of_p[part], value[part], out=of_p[part])
        sigmoid_gradient(grad[part] * value[part], gate[part], out=of_q[part])
    return halves


def weight_gradients(x: torch.Tensor, grad: torch.Tensor, kernel: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradients of a temporal convolution's weight and bias, one product for each sample.

    Args:
        x: ``[B, T, N, in_channels]``.
        grad: Gradient of the result ``[B, T - kernel + 1, N, out_channels]``.
        kernel: Taps.

    Returns:
        tuple: ``[out_channels, in_channels, kernel, 1]`` and ``[out_channels]``.
    """
    rows = grad.flatten(1, 2)  # [B, (T - kernel + 1) N, out_channels]
    windows = [x[:, k : k + grad.shape[1]].flatten(1, 2) for k in range(kernel)]
    ones = x.new_ones(()).expand(len(x), rows.shape[1], 1)
    products = torch.bmm(torch.cat([*windows, ones], dim=-1).transpose(1, 2), rows).sum(0)
    of_weight = products[:-1].view(kernel, x.shape[-1], -1).permute(2, 1, 0).unsqueeze(-1)
    return of_weight, products[-1]
