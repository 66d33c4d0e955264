"""Whether a backbone is bound to the nodes that it was trained on, decided by a check and not by a list."""

from collections.abc import Callable

import torch
from torch import nn

from stlora_ext.runs.forecast import forward
from stlora_ext.runs.trial import sample_batch, sample_window

NODES, FEWER = 9, 7
_INPUT_LEN, _STEPS, _STEPS_PER_DAY = 12, 24, 288


@torch.no_grad()
def node_holder(build: Callable[[int], nn.Module]) -> str | None:
    """Return what holds the nodes: the name of a tensor, or "inputs"; None: a node-agnostic backbone.

    A backbone is node-agnostic where no tensor's shape depends on the number of nodes and a node's forecast doesn't
    change when others are left out. Weights are moved at random first: what begins at zero could mix nodes later.

    Args:
        build: Returns the backbone for a number of nodes, for windows of 12 and 12 steps.
    """
    whole, part = build(NODES).eval(), build(FEWER).eval()
    tensors = [dict(model.named_parameters()) | dict(model.named_buffers()) for model in (whole, part)]
    for name, tensor in tensors[0].items():
        if name not in tensors[1] or tensors[1][name].shape != tensor.shape:
            return name
    generator = torch.Generator().manual_seed(0)
    for name, tensor in tensors[0].items():
        if tensor.is_floating_point() or tensor.is_complex():
            tensor.add_(0.1 * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype))
        tensors[1][name].copy_(tensor)
    inputs = sample_window(_INPUT_LEN, NODES, batch=2)
    all_nodes, fewer = (
        forward(model, sample_batch(nodes, _STEPS_PER_DAY, _STEPS))
        for model, nodes in ((whole, inputs), (part, inputs[:, :, :FEWER]))
    )
    return None if torch.allclose(all_nodes[:, :, :FEWER], fewer, rtol=1e-4, atol=1e-5) else "inputs"
