"""New sensors in a trained adapter: each begins with the mean of the known sensors' rows."""

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from stlora_ext.errors import UserError
from stlora_ext.lora.layer import NALL
from stlora_ext.lora.model import STLoRA
from stlora_ext.lora.node_agnostic import holder_of
from stlora_ext.lora.sensors import checked_names
from stlora_ext.wrapped import unwrapped


def expand_adapter(model: nn.Module, names: Iterable[str]) -> STLoRA:
    """Return ``model`` with sensors added, behind those that it has; ``model`` itself is unchanged.

    A new sensor's row is the mean of the known sensors' in each layer, and nothing else changes. In evaluation the
    known sensors' forecasts stay the same to the bit: sensors that came together are forecast together, in a pass of
    their own.

    Nothing that training could change is shared: the adapter is copied, and so is the backbone, unless it is frozen. A
    frozen backbone stands in both models: leave it frozen, or copy one of them.

    Args:
        model: What ``attach`` or ``load_adapter`` returned; of a wrapped one, what is wrapped is copied.
        names: Names of the new sensors. The known ones are ``model.sensors``: '0', '1', ... where they have no names.

    Returns:
        STLoRA: A model of ``num_nodes + len(names)`` nodes, in the same mode.

    Raises:
        UserError: If a name is known, empty or there twice, or there is none; if ``model`` carries no adapter or a
            merged one; if the backbone holds its nodes, with the name of the tensor or the input that holds them.
    """
    model = unwrapped(model)
    if not isinstance(model, STLoRA):
        raise UserError(f"expand_adapter: a {type(model).__name__} carries no adapter; expected what attach() returned")
    new = checked_names(names, "expand_adapter", model.sensors)
    if not new:
        raise UserError("expand_adapter: names=[], expected the names of the new sensors")
    adapter = unwrapped(model.adapter)
    if not all(isinstance(layer, NALL) for layer in adapter.nalls):
        raise UserError("expand_adapter: this adapter is merged and has no rows; expand it first, then merge")
    _refuse_node_holder(model)
    shared = model.frozen and not any(parameter.requires_grad for parameter in model.backbone.parameters())
    memo: dict[int, Any] = {id(model.backbone): model.backbone} if shared else {}
    memo |= {id(rows): _with_mean_rows(rows, len(new)) for rows in adapter.per_node()}
    expanded = copy.deepcopy(model, memo)
    expanded.names, expanded.num_nodes = (*model.sensors, *new), model.num_nodes + len(new)
    expanded.added = (*model.added, len(new))
    return expanded


def expand_moments(optimizer: torch.optim.Adam, model: STLoRA, expanded: STLoRA) -> torch.optim.Adam:
    """Return an Adam over the adapter of ``expanded`` that goes on from that over the adapter of ``model``.

    Args:
        optimizer: The Adam, which is unchanged.
        model: What was expanded.
        expanded: What ``expand_adapter`` returned for it. The moments of the new rows are 0.
    """
    moved = torch.optim.Adam(expanded.adapter.parameters())
    for old, new in zip(model.adapter.parameters(), expanded.adapter.parameters(), strict=True):
        more = len(new) - len(old)
        moved.state[new] = {
            name: torch.cat([moment, moment.new_zeros(more, *moment.shape[1:])]) if moment.dim() else moment.clone()
            for name, moment in optimizer.state[old].items()
        }
    return moved


def _refuse_node_holder(model: STLoRA) -> None:
    holder = holder_of(model.backbone, model.num_nodes, model.config.input_len, model.config.output_len)
    if holder is None:
        return
    name = type(unwrapped(model.backbone)).__name__
    if holder == "inputs":
        reason = f"{name} forecasts a node from the others' inputs too"
    else:
        kind = "input" if holder in model.signature.parameters else "tensor"
        reason = f"the {kind} '{holder}' of {name} holds its {model.num_nodes} nodes"
    raise UserError(f"expand_adapter: {reason}, so it takes no new ones: train backbone and adapter on all sensors")


@torch.no_grad()
def _with_mean_rows(rows: nn.Parameter, count: int) -> nn.Parameter:
    mean = rows.mean(dim=0, keepdim=True)
    return nn.Parameter(torch.cat([rows, mean.expand(count, *rows.shape[1:])]), requires_grad=rows.requires_grad)
