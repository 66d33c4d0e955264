import torch


class GRUOverTime(torch.autograd.Function):
    """A gated recurrent unit over all steps from a zero state, as one node of the backward pass.

    ``r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh)``, ``n = tanh(W_in x + b_in + r (W_hn h + b_hn))``,
    ``h' = n + z (h - n)``. The weights' gradients are one product over all steps.
    """

    @staticmethod
    def forward(ctx, inputs: torch.Tensor, weight_ih: torch.Tensor, weight_hh: torch.Tensor, bias_ih: torch.Tensor,
                bias_hh: torch.Tensor) -> torch.Tensor:
        """Run over the steps of ``[L, R, H]``; returns the states ``[L, R, H]``."""
        length, rows, _ = inputs.shape
        hidden_size = weight_hh.shape[1]
        of_inputs = torch.addmm(bias_ih, inputs.flatten(0, 1), weight_ih.t()).view(length, rows, -1)
        gates = torch.empty_like(of_inputs)  # reset, update, candidate
        reset_parts = inputs.new_empty(length, rows, hidden_size)
        states = inputs.new_zeros(1 + length, rows, hidden_size)
        of_state = inputs.new_empty(rows, 3 * hidden_size)
        for t in range(length):
            torch.addmm(bias_hh, states[t], weight_hh.t(), out=of_state)
            reset_parts[t] = of_state[:, 2 * hidden_size:]
            both = torch.add(of_inputs[t, :, :2 * hidden_size], of_state[:, :2 * hidden_size],
                             out=gates[t, :, :2 * hidden_size]).sigmoid_()
            reset, update = both.chunk(2, dim=1)
            candidate = torch.addcmul(of_inputs[t, :, 2 * hidden_size:], reset, reset_parts[t],
                                      out=gates[t, :, 2 * hidden_size:])
            candidate.mul_(2).sigmoid_().mul_(2).sub_(1)  # tanh, which takes several times longer on the CPU
            torch.lerp(candidate, states[t], update, out=states[t + 1])
        ctx.save_for_backward(inputs, weight_ih, weight_hh, gates, reset_parts, states)
        return states[1:]

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:
        inputs, weight_ih, weight_hh, gates, reset_parts, states = ctx.saved_tensors
        length, rows, hidden_size = reset_parts.shape
        of_inputs, of_states = torch.empty_like(gates), torch.empty_like(gates)
        carried = torch.zeros_like(reset_parts[0])
        for t in reversed(range(length)):
            reset, update, candidate = gates[t].chunk(3, dim=1)
            carried = carried + gradient[t]
            of_update = carried * (states[t] - candidate)
            kept = carried * update
            of_candidate = torch.ops.aten.tanh_backward(carried - kept, candidate)
            of_reset = of_candidate * reset_parts[t]
            of_inputs[t, :, :hidden_size] = torch.ops.aten.sigmoid_backward(of_reset, reset)
            of_inputs[t, :, hidden_size:2 * hidden_size] = torch.ops.aten.sigmoid_backward(of_update, update)
            of_inputs[t, :, 2 * hidden_size:] = of_candidate
            of_states[t, :, :2 * hidden_size] = of_inputs[t, :, :2 * hidden_size]
            torch.mul(of_candidate, reset, out=of_states[t, :, 2 * hidden_size:])
            carried = torch.addmm(kept, of_states[t], weight_hh)
        of_inputs, of_states = of_inputs.flatten(0, 1), of_states.flatten(0, 1)
        return (torch.mm(of_inputs, weight_ih).view_as(inputs), of_inputs.t() @ inputs.flatten(0, 1),
                of_states.t() @ states[:-1].flatten(0, 1), of_inputs.sum(0), of_states.sum(0))
