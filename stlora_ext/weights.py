"""Weights by name: their fingerprint, and loading them, whichever side is wrapped by DDP or torch.compile."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from stlora_ext.errors import UserError
from stlora_ext.fingerprint import fingerprint
from stlora_ext.wrapped import bare_names

# The bits of types that numpy lacks, by their size in bytes.
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def weights_fingerprint(state: Mapping[str, torch.Tensor]) -> str:
    """Return "sha256:..." over names and values; those of a type that numpy lacks, such as bfloat16, by their bits.

    Raises:
        UserError: If a tensor isn't dense.
    """
    for name, tensor in state.items():
        if tensor.layout != torch.strided:
            raise UserError(f"the weights '{name}' are sparse: expected dense ones")
    return fingerprint({name: _array(tensor.detach().cpu()) for name, tensor in state.items()})


def _array(tensor: torch.Tensor) -> np.ndarray:
    try:
        return tensor.numpy()
    except TypeError:
        return tensor.view(_BITS[tensor.element_size()]).numpy()


def load_weights(
    model: nn.Module, state: dict[str, torch.Tensor], source: Path, strict: bool = True
) -> tuple[list[str], list[str]]:
    """Load ``state`` into ``model``, whichever of the two is wrapped by DDP or torch.compile, whole or in part.

    Args:
        model: The module to fill.
        state: Tensors by name.
        source: Where they come from, for messages.
        strict: Every name must match; else those that match are loaded, and at least one must, where there are any.

    Returns:
        tuple: The model's names that the checkpoint lacks, and the checkpoint's that the model lacks.

    Raises:
        UserError: If names or shapes don't match as asked, naming them.
    """
    target, given = _bare_target(model), bare_state(state)
    missing, unexpected = sorted(target.keys() - given.keys()), sorted(given.keys() - target.keys())
    common = sorted(target.keys() & given.keys())
    reshaped = [name for name in common if target[name][1].shape != given[name].shape]
    if reshaped:
        name = reshaped[0]
        raise UserError(
            f"{source}: '{name}' has shape {tuple(given[name].shape)}, the model expects "
            f"{tuple(target[name][1].shape)}; the checkpoint is of another configuration"
        )
    if (not common and (target or given)) or (strict and (missing or unexpected)):
        raise UserError(
            f"{source} does not fit the model: missing {_some(missing)}, unexpected {_some(unexpected)}; "
            "give a checkpoint of the same architecture"
        )
    model.load_state_dict({target[name][0]: given[name] for name in common}, strict=False)
    return missing, unexpected


def bare_state_dict(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the model's state under the names it has unwrapped."""
    return {bare: tensor for bare, (_, tensor) in _bare_target(model).items()}


def bare_state(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a state by the names without wrappers, as far as the names alone tell them.

    torch.compile's ``_orig_mod`` is one anywhere; ``module`` is one in front of every name, and of every name of the
    backbone in the state of a model with adapter.
    """
    return {bare: state[name] for name, bare in _by_name(state).items()}


def _bare_target(model: nn.Module) -> dict[str, tuple[str, torch.Tensor]]:
    """Return the model's own names and tensors by the names without wrappers."""
    state = model.state_dict()
    names = bare_names(model, state)
    further = _by_name(names.values())
    return {further[bare]: (name, state[name]) for name, bare in names.items()}


def _by_name(names: Iterable[str]) -> dict[str, str]:
    """Return the names without what their form shows to be a wrapper's."""
    bare = {name: ".".join(part for part in name.split(".") if part != "_orig_mod") for name in names}
    for _ in range(2):
        bare = _without_front(bare, "module.")
    inside = [name for name, rest in bare.items() if rest.startswith("backbone.")]
    if any(rest.startswith("adapter.") for rest in bare.values()):
        bare |= _without_front({name: bare[name].removeprefix("backbone.") for name in inside}, "module.", "backbone.")
    return bare


def _without_front(names: dict[str, str], front: str, instead: str = "") -> dict[str, str]:
    every = all(bare.startswith(front) for bare in names.values())
    return {name: instead + (bare.removeprefix(front) if every else bare) for name, bare in names.items()}


def _some(names: list[str]) -> str:
    return "none" if not names else ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
