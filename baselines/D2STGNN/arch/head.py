from collections.abc import Iterator

import torch

_COLUMNS = 2048  # of 512 numbers each they stay in a CPU's cache


def _pieces(*tensors: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    """Yield pieces of columns of each of some ``[L, ., R]``."""
    size = _COLUMNS if tensors[0].device.type == "cpu" else tensors[0].shape[2]
    for matrices in zip(*tensors, strict=True):
        yield from zip(*(matrix.split(size, dim=1) for matrix in matrices), strict=True)


class Head(torch.autograd.Function):
    """``W_3 relu(W_2 relu(W_1 x + b_1) + b_2) + b_3`` on the columns of ``[L, in, R]``, in pieces."""

    @staticmethod
    def forward(ctx, inputs: torch.Tensor, weight1: torch.Tensor, bias1: torch.Tensor, weight2: torch.Tensor,
                bias2: torch.Tensor, weight3: torch.Tensor, bias3: torch.Tensor) -> torch.Tensor:
        """Map to ``[L, out, R]``."""
        length, _, rows = inputs.shape
        outputs = inputs.new_empty(length, len(weight3), rows)
        hidden = []
        for x, out in _pieces(inputs, outputs):
            first = torch.addmm(bias1.unsqueeze(1), weight1, x).relu_()
            second = torch.addmm(bias2.unsqueeze(1), weight2, first).relu_()
            out.copy_(torch.addmm(bias3.unsqueeze(1), weight3, second))
            hidden += [first, second]
        ctx.save_for_backward(inputs, weight1, weight2, weight3, *hidden)
        return outputs

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:
        inputs, weight1, weight2, weight3, *hidden = ctx.saved_tensors
        of_inputs = torch.empty_like(inputs)
        of_weights = [torch.zeros_like(weight) for weight in (weight1, weight2, weight3)]
        of_biases = [weight.new_zeros(len(weight)) for weight in (weight1, weight2, weight3)]
        hidden = zip(hidden[::2], hidden[1::2], strict=True)
        for (x, of_x, of_out), (first, second) in zip(_pieces(inputs, of_inputs, gradient), hidden, strict=True):
            of_second = torch.mm(weight3.t(), of_out)
            torch.ops.aten.threshold_backward(of_second, second, 0, grad_input=of_second)
            of_first = torch.mm(weight2.t(), of_second)
            torch.ops.aten.threshold_backward(of_first, first, 0, grad_input=of_first)
            torch.mm(weight1.t(), of_first, out=of_x)
            for of_weight, of_bias, of_output, entered in zip(of_weights, of_biases, (of_first, of_second, of_out),
                                                              (x, first, second), strict=True):
                of_weight.addmm_(of_output, entered.t())
                of_bias += of_output.sum(1)
        return (of_inputs, *(part for pair in zip(of_weights, of_biases, strict=True) for part in pair))
