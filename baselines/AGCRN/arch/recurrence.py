"""The recurrence of an adaptive graph convolutional GRU, with a hand-written backward pass.

Autograd would add a weight gradient of every node at every step; here the gradients that don't feed the recurrence are
one product over all steps. Nodes come first in memory, which both products want: the graph's ``[N, N] x [N, B H]`` and
the ``[B, H] x [H, O]`` of the weights, batched over nodes.
"""

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from ...activations import sigmoid_gradient, tanh_, tanh_gradient


class GraphRecurrence(torch.autograd.Function):
    """States of a layer from the input's share of its gates.

    ``z, r = sigmoid(input + sum_k S_k h W_k)``, ``c = tanh(input + sum_k S_k (z h) V_k)``, new state
    ``r h + (1 - r) c``, with S_0 the identity and a zero state at the start.
    """

    @staticmethod
    def forward(
        ctx: Any, inputs: torch.Tensor, supports: torch.Tensor, gate_weights: torch.Tensor, update_weights: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Run over all steps.

        Args:
            ctx: Autograd's context.
            inputs: The input's share of z, r and c, bias included, ``[N, T, B, 3 H]``.
            supports: ``S_1, S_2, ..``, ``[K - 1, N, N]``.
            gate_weights: W, ``[N, K, H, 2 H]``.
            update_weights: V, ``[N, K, H, H]``.

        Returns:
            tuple: States ``[N, T, B, H]`` and ``S_k`` times the states ``[K - 1, N, T, B, H]``: the next layer's input
            and what it has to diffuse anyway.
        """
        num_nodes, steps, batch_size, width = inputs.shape
        hidden = width // 3
        states = inputs.new_empty(num_nodes, steps, batch_size, hidden)
        diffused_states = inputs.new_empty(len(supports), num_nodes, steps, batch_size, hidden)
        reset, diffused_reset = (  # z h and S_k (z h); step 0 has none, its state is zero
            inputs.new_empty(count, num_nodes, steps - 1, batch_size, hidden) for count in (1, len(supports))
        )
        gates, candidates = [], []
        for t in range(steps):
            gate, candidate = inputs[:, t, :, : 2 * hidden], inputs[:, t, :, 2 * hidden :]
            if t == 0:
                gates.append(torch.sigmoid(gate))
                candidates.append(torch.tanh(candidate))
                torch.mul(1 - gates[0][..., hidden:], candidates[0], out=states[:, 0])
                continue
            state = states[:, t - 1]
            gates.append(_convolve(gate, state, supports, gate_weights, diffused_states[:, :, t - 1]).sigmoid_())
            product = torch.mul(gates[t][..., :hidden], state, out=reset[0, :, t - 1])
            candidates.append(
                tanh_(_convolve(candidate, product, supports, update_weights, diffused_reset[:, :, t - 1]))
            )
            torch.lerp(candidates[t], state, gates[t][..., hidden:], out=states[:, t])
        torch.matmul(supports, states[:, -1].flatten(1), out=diffused_states[:, :, -1].view(*supports.shape[:2], -1))
        ctx.save_for_backward(supports, gate_weights, update_weights, states, diffused_states)
        ctx.set_materialize_grads(False)
        ctx.kept = gates, candidates, reset, diffused_reset
        return states, diffused_states

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_states: torch.Tensor | None, grad_diffused: torch.Tensor | None
    ) -> tuple[torch.Tensor, ...]:
        """Return the gradients of ``forward``'s arguments."""
        supports, gate_weights, update_weights, states, diffused_states = ctx.saved_tensors
        gates, candidates, reset, diffused_reset = ctx.kept
        grad_states = torch.zeros_like(states) if grad_states is None else grad_states
        num_nodes, steps, batch_size, hidden = states.shape
        grad_inputs = states.new_empty(num_nodes, steps, batch_size, 3 * hidden)
        grad_supports = torch.zeros_like(supports)
        carried = torch.zeros_like(states[:, 0])
        if grad_diffused is not None:
            _diffuse_back(grad_diffused[:, :, -1], states[:, -1], supports, carried, grad_supports)
        for t in reversed(range(steps)):
            z, r = gates[t].split(hidden, dim=-1)
            candidate, state = candidates[t], states[:, t - 1] if t else torch.zeros_like(carried)
            grad_z, grad_r, grad_candidate = grad_inputs[:, t].split(hidden, dim=-1)
            grad = carried + grad_states[:, t]  # in this order contiguous, whatever arrives
            carried = grad * r
            tanh_gradient(grad - carried, candidate, out=grad_candidate)
            sigmoid_gradient(grad.mul_(state - candidate), r, out=grad_r)
            if t == 0:
                grad_z.zero_()
                continue
            grad_reset = torch.zeros_like(carried)
            _convolve_back(grad_candidate, reset[0, :, t - 1], supports, update_weights, grad_reset, grad_supports)
            sigmoid_gradient(grad_reset * state, z, out=grad_z)
            carried.addcmul_(grad_reset, z)
            _convolve_back(
                grad_inputs[:, t, :, : 2 * hidden],
                state,
                supports,
                gate_weights,
                carried,
                grad_supports,
                None if grad_diffused is None else grad_diffused[:, :, t - 1],
            )

        previous = states[:, :-1]
        grad_gates, grad_candidates = grad_inputs[:, 1:].split((2 * hidden, hidden), dim=-1)
        return (
            grad_inputs,
            grad_supports,
            _weight_gradient([previous, *diffused_states[:, :, :-1]], grad_gates),
            _weight_gradient([reset[0], *diffused_reset], grad_candidates),
        )


def graph_recurrence_plain(
    inputs: torch.Tensor, supports: torch.Tensor, gate_weights: torch.Tensor, update_weights: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Define :class:`GraphRecurrence` by its equations, one step after the other."""
    graphs = torch.cat([torch.eye(len(inputs), dtype=inputs.dtype).unsqueeze(0), supports])

    def convolve(state: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return torch.einsum("knm,mbh,nkho->nbo", graphs, state, weights)

    hidden = update_weights.shape[-1]
    state, states = inputs.new_zeros(len(inputs), inputs.shape[2], hidden), []
    for gate, candidate in (step.split([2 * hidden, hidden], dim=-1) for step in inputs.unbind(1)):
        z, r = torch.sigmoid(gate + convolve(state, gate_weights)).chunk(2, dim=-1)
        state = r * state + (1 - r) * torch.tanh(candidate + convolve(z * state, update_weights))
        states.append(state)
    return torch.stack(states, dim=1), torch.einsum("knm,mtbh->kntbh", supports, torch.stack(states, dim=1))


def _convolve(
    offset: torch.Tensor, state: torch.Tensor, supports: torch.Tensor, weights: torch.Tensor, diffused: torch.Tensor
) -> torch.Tensor:
    """Return ``offset + sum_k S_k state W_k`` ``[N, B, O]`` and leave ``S_k state`` in ``diffused``."""
    total = torch.baddbmm(offset, state, weights[:, 0])
    for k, support in enumerate(supports):
        torch.mm(support, state.flatten(1), out=diffused[k].view(len(support), -1))
        total.baddbmm_(diffused[k], weights[:, k + 1])
    return total


def _convolve_back(
    grad: torch.Tensor,
    state: torch.Tensor,
    supports: torch.Tensor,
    weights: torch.Tensor,
    grad_state: torch.Tensor,
    grad_supports: torch.Tensor,
    grad_diffused: torch.Tensor | None = None,
) -> None:
    """Add the gradients of ``_convolve``'s state and supports to ``grad_state`` and ``grad_supports``.

    ``grad_diffused`` is what reaches ``S_k state`` ``[K - 1, N, B, H]`` from elsewhere.
    """
    grad_state.baddbmm_(grad, weights[:, 0].mT)
    products = state.new_empty(len(supports), *state.shape)
    for k, product in enumerate(products, start=1):
        torch.bmm(grad, weights[:, k].mT, out=product)
    if grad_diffused is not None:
        products += grad_diffused
    _diffuse_back(products, state, supports, grad_state, grad_supports)


def _diffuse_back(
    grad: torch.Tensor,
    state: torch.Tensor,
    supports: torch.Tensor,
    grad_state: torch.Tensor,
    grad_supports: torch.Tensor,
) -> None:
    """Add the gradients of ``S_k state``'s factors; ``grad`` is that of the products ``[K - 1, N, B, H]``."""
    for support, product, grad_support in zip(supports, grad.flatten(2), grad_supports, strict=True):
        grad_state.view(len(support), -1).addmm_(support.t(), product)
        grad_support.addmm_(product, state.flatten(1).t())


def _weight_gradient(factors: list[torch.Tensor], grad: torch.Tensor) -> torch.Tensor:
    """Return ``[N, K, H, O]`` from K factors ``[N, T, B, H]`` and a gradient ``[N, T, B, O]``."""
    return torch.stack([torch.bmm(factor.flatten(1, 2).mT, grad.flatten(1, 2)) for factor in factors], dim=1)
