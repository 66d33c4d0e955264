"""Checkpoints that are whole or absent, loaded without running code, damaged ones named."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import torch
from torch import nn

from stlora_ext.data.fingerprint import fingerprint
from stlora_ext.errors import UserError
from stlora_ext.files import atomic_path

# Prefixes that DDP and torch.compile put before every name.
_WRAPPERS = ("module.", "_orig_mod.")


def _are_tensors(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) and isinstance(tensor, torch.Tensor)
                                           for name, tensor in value.items())


# What an entry must be to be used at all.
_PLAIN = {"model_state_dict": _are_tensors, "config_md5": lambda value: isinstance(value, str),
          "scaler_stats": lambda value: _are_tensors(value) and {"mean", "std"} <= value.keys()}


def weights_fingerprint(state: Mapping[str, torch.Tensor]) -> str:
    """Return "sha256:..." over names and values; bfloat16, which numpy lacks, by its bits.

    Raises:
        UserError: If a tensor isn't dense.
    """
    for name, tensor in state.items():
        if tensor.layout != torch.strided:
            raise UserError(f"the weights '{name}' are sparse: expected dense ones")
    plain = {name: tensor.detach().cpu() for name, tensor in state.items()}
    return fingerprint({name: (tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor).numpy()
                        for name, tensor in plain.items()})


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
    """Load ``state`` into ``model``, whichever of the two is wrapped by DDP or torch.compile.

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
    target = {bare: (name, tensor) for bare, (name, tensor) in _bare(model.state_dict()).items()}
    given = {bare: tensor for bare, (_, tensor) in _bare(state).items()}
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
    return {bare: tensor for bare, (_, tensor) in _bare(model.state_dict()).items()}


def _bare(state: dict[str, torch.Tensor]) -> dict[str, tuple[str, torch.Tensor]]:
    """Return the state by the names without wrappers; a wrapper's prefix is on every name."""
    names = {name: name for name in state}
    for prefix in _WRAPPERS * 2:
        if names and all(bare.startswith(prefix) for bare in names.values()):
            names = {name: bare.removeprefix(prefix) for name, bare in names.items()}
    return {bare: (name, state[name]) for name, bare in names.items()}


def _some(names: list[str]) -> str:
    return "none" if not names else ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
