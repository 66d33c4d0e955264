from typing import Any

import torch

from ...activations import sigmoid_gradient, tanh_, tanh_gradient


class GRUOverTime(torch.autograd.Function):
    """A gated recurrent unit over all steps, as one node of the backward pass.

    ``r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh)``, ``n = tanh(W_in x + b_in + r (W_hn h + b_hn))``,
    ``h' = n + z (h - n)``. Sequences are columns: each gate is one contiguous block.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: torch.Tensor,
        initial: torch.Tensor,
        weight_ih: torch.Tensor,
        weight_hh: torch.Tensor,
        bias_ih: torch.Tensor,
        bias_hh: torch.Tensor,
    ) -> torch.Tensor:
        """Run over the steps of ``[L, H, R]`` from the state ``[H, R]``; returns the states ``[L, H, R]``."""
        length, _, rows = inputs.shape
        hidden_size = weight_hh.shape[1]
        both = 2 * hidden_size  # rows of the reset and the update gate
        bias = bias_ih.clone()
        bias[:both] += bias_hh[:both]
        gates = torch.baddbmm(bias.unsqueeze(1), weight_ih.expand(length, -1, -1), inputs)  # reset, update, candidate
        reset_parts = inputs.new_empty(length, hidden_size, rows)
        states = inputs.new_empty(length, hidden_size, rows)
        state = initial
        for t in range(length):
            gates[t, :both].addmm_(weight_hh[:both], state).sigmoid_()
            torch.addmm(bias_hh[both:].unsqueeze(1), weight_hh[both:], state, out=reset_parts[t])
            reset, update, candidate = gates[t].chunk(3)
            candidate.addcmul_(reset, reset_parts[t])
            tanh_(candidate)
            state = torch.lerp(candidate, state, update, out=states[t])
        ctx.save_for_backward(inputs, initial, weight_ih, weight_hh, gates, reset_parts, states)
        return states

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:
        inputs, initial, weight_ih, weight_hh, gates, reset_parts, states = ctx.saved_tensors
        length, hidden_size, rows = reset_parts.shape
        of_inputs = torch.empty_like(inputs)
        of_gates = gates.new_empty(4 * hidden_size, rows)
        of_ih = of_gates[: 3 * hidden_size]
        of_reset, of_update, of_candidate, of_part = of_gates.view(4, hidden_size, rows)  # part: W_hn h + b_hn
        of_weight_ih, of_weight_hh = torch.zeros_like(weight_ih), torch.zeros_like(weight_hh)
        of_biases = gates.new_zeros(4 * hidden_size)
        both = 2 * hidden_size
        carried = torch.zeros_like(states[0])
        for t in reversed(range(length)):
            reset, update, candidate = gates[t].chunk(3)
            previous = states[t - 1] if t else initial
            carried += gradient[t]
            torch.mul(carried, previous - candidate, out=of_update)
            sigmoid_gradient(of_update, update, out=of_update)
            kept = carried * update
            tanh_gradient(carried.sub_(kept), candidate, out=of_candidate)
            torch.mul(of_candidate, reset_parts[t], out=of_reset)
            sigmoid_gradient(of_reset, reset, out=of_reset)
            torch.mul(of_candidate, reset, out=of_part)
            torch.mm(weight_ih.t(), of_ih, out=of_inputs[t])
            of_weight_ih.addmm_(of_ih, inputs[t].t())
            of_weight_hh[:both].addmm_(of_gates[:both], previous.t())
            of_weight_hh[both:].addmm_(of_part, previous.t())
            of_biases += of_gates.sum(1)
            carried = kept.addmm_(weight_hh[:both].t(), of_gates[:both]).addmm_(weight_hh[both:].t(), of_part)
        return (
            of_inputs,
            carried,
            of_weight_ih,
            of_weight_hh,
            of_biases[: 3 * hidden_size],
            torch.cat([of_biases[:both], of_biases[3 * hidden_size :]]),
        )


def gru_over_time_plain(
    inputs: torch.Tensor,
    initial: torch.Tensor,
    weight_ih: torch.Tensor,
    weight_hh: torch.Tensor,
    bias_ih: torch.Tensor,
    bias_hh: torch.Tensor,
) -> torch.Tensor:
    """Define :class:`GRUOverTime` by its equations, one step after the other."""
    state, states = initial, []
    for step in inputs:
        of_input = (weight_ih @ step + bias_ih.unsqueeze(1)).chunk(3)
        of_state = (weight_hh @ state + bias_hh.unsqueeze(1)).chunk(3)
        reset, update = (torch.sigmoid(of_input[gate] + of_state[gate]) for gate in (0, 1))
        candidate = torch.tanh(of_input[2] + reset * of_state[2])
        state = candidate + update * (state - candidate)
        states.append(state)
    return torch.stack(states)
