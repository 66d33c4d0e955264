"""The recurrence of a long short-term memory layer, with a hand-written backward pass.

Sequences are columns, so that each gate is a block of whole rows, and input, state and a row of ones lie on top of each
other: a step is one matrix product, and so is each of the two gradients of a step. The columns lie in blocks, because a
CPU multiplies a small matrix faster with each of them than with all at once (:func:`column_blocks`).
"""

import math
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from ...activations import sigmoid_gradient, tanh_, tanh_gradient


class Recurrence(torch.autograd.Function):
    """States of a layer.

    ``i, f, o = sigmoid(W x + U h + b)``, ``g = tanh(W x + U h + b)``, ``c' = f c + i g``, ``h' = o tanh(c')``, from
    zero; the gates in the order i, f, g, o.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: torch.Tensor,
        weight_ih: torch.Tensor,
        weight_hh: torch.Tensor,
        bias: torch.Tensor,
        last_only: bool,
    ) -> torch.Tensor:
        """Run over all steps.

        Args:
            ctx: Autograd's context.
            inputs: K blocks of C sequences, ``[T, K, I, C]``.
            weight_ih: W, ``[4 H, I]``.
            weight_hh: U, ``[4 H, H]``.
            bias: b, ``[4 H]``.
            last_only: Whether only the last state is wanted.

        Returns:
            torch.Tensor: States ``[T, K, H, C]``, or the last one ``[1, K, H, C]``.
        """
        steps, blocks, width, columns = inputs.shape
        hidden = weight_hh.shape[1]
        weight = torch.cat([weight_ih, weight_hh, bias.unsqueeze(1)], dim=1)
        stacked = inputs.new_empty(steps + 1, blocks, width + hidden + 1, columns)  # input, state before, ones
        stacked[:-1, :, :width] = inputs
        stacked[0, :, width:-1] = 0
        stacked[:-1, :, -1] = 1
        gates = inputs.new_empty(steps, blocks, 4 * hidden, columns)
        cells = inputs.new_empty(steps, blocks, hidden, columns)
        squashed = torch.empty_like(cells)  # tanh(c)
        of_blocks = weight.expand(blocks, -1, -1)
        for t in range(steps):
            torch.bmm(of_blocks, stacked[t], out=gates[t])
            entering, kept, candidate, shown = gates[t].chunk(4, dim=1)
            gates[t, :, : 2 * hidden].sigmoid_()
            tanh_(candidate)
            shown.sigmoid_()
            cell = torch.mul(entering, candidate, out=cells[t])
            if t:
                cell.addcmul_(kept, cells[t - 1])
            torch.mul(shown, tanh_(squashed[t].copy_(cell)), out=stacked[t + 1, :, width:-1])
        ctx.save_for_backward(weight, stacked, gates, cells, squashed)
        ctx.width = width
        states = stacked[1:, :, width:-1]
        return states[-1:].clone() if last_only else states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of ``forward``'s arguments."""
        weight, stacked, gates, cells, squashed = ctx.saved_tensors
        steps, blocks, hidden, columns = cells.shape
        width, first = ctx.width, steps - len(gradient)  # the first step whose state has a gradient of its own
        of_inputs = gates.new_empty(steps, blocks, width, columns) if ctx.needs_input_grad[0] else None
        of_weight = weight.new_zeros(blocks, *weight.shape)
        of_gates = torch.empty_like(gates[0])
        of_entering, of_kept, of_candidate, of_shown = of_gates.chunk(4, dim=1)
        of_stacked = gates.new_empty(blocks, width + hidden, columns)
        transposed = weight[:, :-1].t().expand(blocks, -1, -1)
        of_cell = None
        for t in reversed(range(steps)):
            entering, kept, candidate, shown = gates[t].chunk(4, dim=1)
            if t == steps - 1:
                of_state = gradient[-1]
            else:
                of_state = of_stacked[:, width:]
                if t >= first:
                    of_state += gradient[t - first]
            torch.mul(of_state, squashed[t], out=of_shown)
            sigmoid_gradient(of_shown, shown, out=of_shown)
            of_new = tanh_gradient(of_state * shown, squashed[t])
            of_cell = of_new if of_cell is None else of_cell.add_(of_new)
            torch.mul(of_cell, candidate, out=of_entering)
            sigmoid_gradient(of_entering, entering, out=of_entering)
            torch.mul(of_cell, entering, out=of_candidate)
            tanh_gradient(of_candidate, candidate, out=of_candidate)
            if t:
                torch.mul(of_cell, cells[t - 1], out=of_kept)
                sigmoid_gradient(of_kept, kept, out=of_kept)
                of_cell.mul_(kept)
                torch.bmm(transposed, of_gates, out=of_stacked)
            else:
                of_kept.zero_()
                if of_inputs is not None:
                    torch.bmm(transposed[:, :width], of_gates, out=of_stacked[:, :width])
            if of_inputs is not None:
                of_inputs[t] = of_stacked[:, :width]
            of_weight.baddbmm_(of_gates, stacked[t].transpose(1, 2))
        of_ih, of_hh, of_bias = of_weight.sum(0).split([width, hidden, 1], dim=1)
        return of_inputs, of_ih, of_hh, of_bias.squeeze(1), None


def recurrence_plain(
    inputs: torch.Tensor, weight_ih: torch.Tensor, weight_hh: torch.Tensor, bias: torch.Tensor, last_only: bool
) -> torch.Tensor:
    """Define :class:`Recurrence` by its equations, one step after the other."""
    state = cell = inputs.new_zeros(inputs.shape[1], weight_hh.shape[1], inputs.shape[3])  # [K, H, C]
    states = []
    for step in inputs:
        gates = weight_ih @ step + weight_hh @ state + bias.unsqueeze(1)
        entering, kept, candidate, shown = gates.chunk(4, dim=1)
        cell = torch.sigmoid(kept) * cell + torch.sigmoid(entering) * torch.tanh(candidate)
        state = torch.sigmoid(shown) * torch.tanh(cell)
        states.append(state)
    return torch.stack(states[-1:] if last_only else states)


def column_blocks(columns: int) -> int:
    """Return into how many equal blocks, of 512 or more, columns are cut (benchmarks/operations.py)."""
    blocks = math.gcd(columns, 64)
    while blocks > 1 and columns // blocks < 512:
        blocks //= 2
    return blocks
