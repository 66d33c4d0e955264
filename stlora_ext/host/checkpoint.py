"""Checkpoints that are whole or absent, loaded without running code, damaged ones named."""

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np
import torch
from torch import nn

from stlora_ext.data.fingerprint import fingerprint
from stlora_ext.errors import UserError
from stlora_ext.files import atomic_path
from stlora_ext.wrapped import bare_names

# The bits of types that numpy lacks, by their size in bytes.
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def _are_tensors(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) and isinstance(tensor, torch.Tensor)
                                           for name, tensor in value.items())


# What an entry must be to be used at all.
_PLAIN = {"model_state_dict": _are_tensors, "config_md5": lambda value: isinstance(value, str),
          "scaler_stats": lambda value: _are_tensors(value) and {"mean", "std"} <= value.keys()}


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


def save_checkpoint(content: dict[str, Any], path: Path) -> None:
    """Write ``content`` to ``path`` atomically.

    Raises:
        OSError: If the disk doesn't take it.
    """
    with atomic_path(path) as temporary:
        buffer = io.BytesIO()  # torch.save to a file tells of a full disk as a RuntimeError about its own format
        torch.save(content, buffer)
        temporary.write_bytes(buffer.getbuffer())


def load_checkpoint(path: Path, device: Optional[torch.device] = None,
                    keys: Sequence[str] = ("model_state_dict",)) -> dict[str, Any]:
    """Read a checkpoint; only tensors and plain values are admitted.

    Args:
        path: The file.
        device: Where its tensors go; None: the CPU.
        keys: What it must hold.

    Raises:
        UserError: If it is absent, damaged, or lacks a key.
    """
    try:
        content = torch.load(path, map_location=device or "cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"checkpoint {path} does not exist") from None
    except (PermissionError, IsADirectoryError) as error:  # a damaged archive may be another OSError
        raise UserError(f"checkpoint {path} cannot be read ({error.strerror or error}): expected the model.pt of a "
                        "run, a file that you may read") from None
    except Exception as error:  # a damaged archive raises almost anything
        reason = str(error).split("\n")[0][:120] or type(error).__name__
        raise UserError(f"checkpoint {path} is damaged ({reason}): delete it to start this run again, "
                        "or put back a whole copy") from None
    absent = [key for key in keys if not isinstance(content, dict) or key not in content]
    if absent:
        raise UserError(f"checkpoint {path} holds no '{absent[0]}': expected one that this project wrote")
    wrong = next((key for key in keys if key in _PLAIN and not _PLAIN[key](content[key])), None)
    if wrong is not None:
        raise UserError(f"checkpoint {path} is damaged ('{wrong}' is no such thing): delete it to start this run "
                        "again, or put back a whole copy")
    return content


def load_weights(model: nn.Module, state: dict[str, torch.Tensor], source: Path,
                 strict: bool = True) -> tuple[list[str], list[str]]:
    """Load ``state`` into ``model``, whichever of the two is wrapped by DDP or torch.compile, whole or in part.

    Args:
        model: The module to fill.
        state: Tensors by name.
        source: Where they come from, for messages.
        strict: Every name must match; else those that match are loaded, and at least one must.

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
        raise UserError(f"{source}: '{name}' has shape {tuple(given[name].shape)}, the model expects "
                        f"{tuple(target[name][1].shape)}; the checkpoint is of another configuration")
    if not common or (strict and (missing or unexpected)):
        raise UserError(f"{source} does not fit the model: missing {_some(missing)}, unexpected {_some(unexpected)}; "
                        "give a checkpoint of the same architecture")
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
