"""Checkpoints that are whole or absent, loaded without running code, damaged ones named."""

import pickle
from pathlib import Path
from typing import Any, Optional

import torch
from torch import nn

from stlora_ext.errors import UserError
from stlora_ext.files import atomic_path

# Prefixes that DDP and torch.compile put before every name.
_WRAPPERS = ("module.", "_orig_mod.")


def save_checkpoint(content: dict[str, Any], path: Path) -> None:
    """Write ``content`` to ``path`` atomically."""
    with atomic_path(path) as temporary:
        torch.save(content, temporary)


def load_checkpoint(path: Path, device: Optional[torch.device] = None) -> dict[str, Any]:
    """Read a checkpoint onto ``device`` (default: CPU); only tensors and plain values are admitted.

    Raises:
        UserError: If it is absent, damaged, or holds anything else.
    """
    try:
        content = torch.load(path, map_location=device or "cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"checkpoint {path} does not exist") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).split("\n")[0][:120] or type(error).__name__
        raise UserError(f"checkpoint {path} is damaged ({reason}): delete it to start this run again, "
                        "or put back a whole copy") from None
    if not isinstance(content, dict):
        raise UserError(f"checkpoint {path} holds a {type(content).__name__}, expected a dictionary of this project")
    return content


def load_weights(model: nn.Module, state: dict[str, torch.Tensor], source: Path, strict: bool = True) -> None:
    """Load ``state`` into ``model``, whichever of the two is wrapped by DDP or torch.compile.

    Args:
        model: The module to fill.
        state: Tensors by name.
        source: Where they come from, for messages.
        strict: Every name must match; else those that match are loaded, and at least one must.

    Raises:
        UserError: If names or shapes don't match as asked, naming them.
    """
    target = {_bare(name): (name, tensor) for name, tensor in model.state_dict().items()}
    given = {_bare(name): tensor for name, tensor in state.items()}
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


def bare_state_dict(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the model's state under the names it has unwrapped."""
    return {_bare(name): tensor for name, tensor in model.state_dict().items()}


def _bare(name: str) -> str:
    while name.startswith(_WRAPPERS):
        name = name.split(".", 1)[1]
    return name


def _some(names: list[str]) -> str:
    return "none" if not names else ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
