"""The recurrence of a long short-term memory layer, with a hand-written backward pass.

Sequences are columns, so that each gate is one contiguous block, and input, state and a row of ones lie on top of each
other: a step is one matrix product, and so is each of the two gradients of a step.
"""

import torch
from torch.autograd.function import FunctionCtx, once_differentiable

from ...activations import tanh_


class Recurrence(torch.autograd.Function):
    """States of a layer.

    ``i, f, o = sigmoid(W x + U h + b)``, ``g = tanh(W x + U h + b)``, ``c' = f c + i g``, ``h' = o tanh(c')``, from
    zero; the gates in the order i, f, g, o.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, inputs: torch.Tensor, weight_ih: torch.Tensor, weight_hh: torch.Tensor,
                bias: torch.Tensor, last_only: bool) -> torch.Tensor:
        """Run over all steps.

        Args:
            ctx: Autograd's context.
            inputs: ``[T, I, R]``.
            weight_ih: W, ``[4 H, I]``.
            weight_hh: U, ``[4 H, H]``.
            bias: b, ``[4 H]``.
            last_only: Whether only the last state is wanted.

        Returns:
            torch.Tensor: States ``[T, H, R]``, or the last one ``[1, H, R]``.
        """
        steps, width, rows = inputs.shape
        hidden = weight_hh.shape[1]
        weight = torch.cat([weight_ih, weight_hh, bias.unsqueeze(1)], dim=1)
        stacked = inputs.new_empty(steps + 1, width + hidden + 1, rows)  # input, state before, ones
        stacked[:-1, :width] = inputs
        stacked[0, width:-1] = 0
        stacked[:-1, -1] = 1
        gates = inputs.new_empty(steps, 4 * hidden, rows)
        cells = inputs.new_empty(steps, hidden, rows)
        squashed = inputs.new_empty(steps, hidden, rows)  # tanh(c)
        for t in range(steps):
            torch.mm(weight, stacked[t], out=gates[t])
            entering, kept, candidate, shown = gates[t].chunk(4)
            gates[t, :2 * hidden].sigmoid_()
            tanh_(candidate)
            shown.sigmoid_()
            cell = torch.mul(entering, candidate, out=cells[t])
            if t:
                cell.addcmul_(kept, cells[t - 1])
            torch.mul(shown, tanh_(squashed[t].copy_(cell)), out=stacked[t + 1, width:-1])
        ctx.save_for_backward(weight, stacked, gates, cells, squashed)
        ctx.width = width
        states = stacked[1:, width:-1]
        return states[-1:].clone() if last_only else states

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the gradients of ``forward``'s arguments."""
        weight, stacked, gates, cells, squashed = ctx.saved_tensors
        steps, hidden, rows = cells.shape
        width, first = ctx.width, steps - len(gradient)  # the first step whose state has a gradient of its own
        of_inputs = gates.new_empty(steps, width, rows) if ctx.needs_input_grad[0] else None
        of_weight = torch.zeros_like(weight)
        of_gates = gates.new_empty(4 * hidden, rows)
        of_entering, of_kept, of_candidate, of_shown = of_gates.chunk(4)
        of_stacked = gates.new_empty(width + hidden, rows)
        of_cell = None
        for t in reversed(range(steps)):
            entering, kept, candidate, shown = gates[t].chunk(4)
            if t == steps - 1:
                of_state = gradient[-1]
            else:
                of_state = of_stacked[width:]
                if t >= first:
                    of_state += gradient[t - first]
            torch.mul(of_state, squashed[t], out=of_shown)
            torch.ops.aten.sigmoid_backward(of_shown, shown, grad_input=of_shown)
            of_new = torch.ops.aten.tanh_backward(of_state * shown, squashed[t])
            of_cell = of_new if of_cell is None else of_cell.add_(of_new)
            torch.mul(of_cell, candidate, out=of_entering)
            torch.ops.aten.sigmoid_backward(of_entering, entering, grad_input=of_entering)
            torch.mul(of_cell, entering, out=of_candidate)
            torch.ops.aten.tanh_backward(of_candidate, candidate, grad_input=of_candidate)
            if t:
                torch.mul(of_cell, cells[t - 1], out=of_kept)
                torch.ops.aten.sigmoid_backward(of_kept, kept, grad_input=of_kept)
                of_cell.mul_(kept)
                torch.mm(weight[:, :-1].t(), of_gates, out=of_stacked)
            else:
                of_kept.zero_()
                if of_inputs is not None:
                    torch.mm(weight[:, :width].t(), of_gates, out=of_stacked[:width])
            if of_inputs is not None:
                of_inputs[t] = of_stacked[:width]
            of_weight.addmm_(of_gates, stacked[t].t())
        of_ih, of_hh, of_bias = of_weight.split([width, hidden, 1], dim=1)
        return of_inputs, of_ih, of_hh, of_bias.squeeze(1), None
