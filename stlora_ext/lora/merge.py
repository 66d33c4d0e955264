"""Merging: the low-rank weights of a trained adapter added into full ones, where that is defined.

sharing="none"       W + s B A, one matrix: the merged layer is an ordinary linear layer
elsewhere            W + s B A_i, one matrix per node: an explicit bank of N d_out d_in numbers
"""

import copy
from typing import cast

import torch
from torch import nn

from stlora_ext.errors import UserError
from stlora_ext.lora.layer import NALL
from stlora_ext.lora.model import STLoRA
from stlora_ext.wrapped import unwrapped


class MergedNALL(nn.Module):
    """``y_i = sigma(V_i x_i + b)`` from ``[N, B, d_in]`` to ``[N, B, d_out]``; V ``[d_out, d_in]`` or one per node."""

    def __init__(self, layer: NALL) -> None:
        super().__init__()
        low_rank = layer.scale * layer.lora_b @ layer.lora_a.factor()
        self.weight = nn.Parameter((layer.weight + low_rank).detach())
        self.bias = nn.Parameter(layer.bias.detach().clone())
        self.relu = layer.relu

    def forward(self, x: torch.Tensor, replaced: None = None, nodes: None = None) -> torch.Tensor:
        y = x @ self.weight.transpose(-1, -2) + self.bias
        return torch.relu(y) if self.relu else y


def merge(model: STLoRA, *, per_node: bool = False) -> STLoRA:
    """Return a copy of ``model`` whose low-rank weights are merged; ``model`` itself is unchanged.

    Args:
        model: The model; of a wrapped one, what is wrapped is copied.
        per_node: Form one full matrix per node, which costs N d_out d_in numbers per layer.

    Raises:
        UserError: If A_i differs by node and ``per_node`` is False: then no single matrix is equal to the layer.
    """
    model = unwrapped(model)
    if model.config.sharing != "none" and not per_node:
        raise UserError(
            f"merge: with sharing='{model.config.sharing}' every node has a matrix of its own, no single "
            "one is equal to the layer; merge(model, per_node=True) forms the bank of "
            f"{model.num_nodes} matrices per layer"
        )
    merged = copy.deepcopy(model)
    adapter = unwrapped(merged.adapter)
    adapter.row_dropout.p = 0.0  # there are no rows any more
    adapter.nalls = nn.ModuleList(MergedNALL(cast(NALL, layer)) for layer in adapter.nalls)
    merged.added = ()
    return merged
