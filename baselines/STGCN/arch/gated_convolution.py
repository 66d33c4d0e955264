import torch
import torch.nn.functional as F
from torch.autograd.function import FunctionCtx, once_differentiable


class GatedConvolution(torch.autograd.Function):
    """Convolution over time with a gate: ``p * sigmoid(q)`` or ``tanh(p) * sigmoid(q)``, as one node of the backward
    pass.

    The gradients of p and q are born side by side, so that those of the input and of the weight are one operation each.
    The weight's is a matrix product: the convolution's own takes three times as long on a CPU.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor,
                gtu: bool) -> torch.Tensor:
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
        value, gate = (F.conv2d(x.permute(0, 3, 1, 2), *half).permute(0, 2, 3, 1).contiguous()
                       for half in zip(weight.chunk(2), bias.chunk(2), strict=True))
        gate.sigmoid_()
        result = torch.mul(value.tanh_(), gate) if gtu else value.mul_(gate)
        ctx.save_for_backward(x, weight, gate, value if gtu else result)
        ctx.gtu = gtu
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of x, weight and bias."""
        x, weight, gate, value = ctx.saved_tensors
        _, in_channels, kernel, _ = weight.shape
        of_halves = _gate_gradient(grad, gate, value, ctx.gtu)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x, _, _ = torch.ops.aten.convolution_backward(
                of_halves.permute(0, 3, 1, 2), x.permute(0, 3, 1, 2), weight, None, (1, 1), (0, 0), (1, 1), False,
                (0, 0), 1, (True, False, False))
            of_x = of_x.permute(0, 2, 3, 1)
        of_windows = torch.bmm(_windows(x, kernel).transpose(1, 2), of_halves.flatten(1, 2)).sum(0)
        of_taps, of_bias = of_windows.split((kernel * in_channels, 1))
        of_weight = of_taps.view(kernel, in_channels, -1).permute(2, 1, 0).unsqueeze(-1)
        return of_x, of_weight, of_bias[0], None


def _gate_gradient(grad: torch.Tensor, gate: torch.Tensor, value: torch.Tensor, gtu: bool) -> torch.Tensor:
    """Return the gradients of p and q, side by side; ``value`` is tanh(p) (GTU) or p's product with the gate (GLU)."""
    of_halves = grad.new_empty(*grad.shape[:3], 2 * grad.shape[3])
    of_p, of_q = of_halves.chunk(2, dim=-1)
    if gtu:
        gated = grad * gate
        torch.addcmul(gated, gated, value * value, value=-1, out=of_p)
        gated *= value
    else:
        torch.mul(grad, gate, out=of_p)
        gated = grad * value
    torch.addcmul(gated, gated, gate, value=-1, out=of_q)
    return of_halves


def _windows(x: torch.Tensor, kernel: int) -> torch.Tensor:
    """Return the windows of ``[B, T, N, C]`` beside a column of ones ``[B, (T - kernel + 1) N, kernel C + 1]``."""
    steps = x.shape[1] - kernel + 1
    ones = x.new_ones(()).expand(len(x), steps * x.shape[2], 1)
    return torch.cat([*(x[:, k:k + steps].flatten(1, 2) for k in range(kernel)), ones], dim=-1)
