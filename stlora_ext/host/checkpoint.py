"""Checkpoints that are whole or absent, loaded without running code, damaged ones named."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from stlora_ext.errors import UserError
from stlora_ext.files import atomic_path


def _are_tensors(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in value.items()
    )


# What an entry must be to be used at all.
_PLAIN = {
    "model_state_dict": _are_tensors,
    "config_md5": lambda value: isinstance(value, str),
    "scaler_stats": lambda value: _are_tensors(value) and {"mean", "std"} <= value.keys(),
}


def save_checkpoint(content: dict[str, Any], path: Path) -> None:
    """Write ``content`` to ``path`` atomically.

    Raises:
        OSError: If the disk doesn't take it.
    """
    with atomic_path(path) as temporary:
        buffer = io.BytesIO()  # torch.save to a file tells of a full disk as a RuntimeError about its own format
        torch.save(content, buffer)
        temporary.write_bytes(buffer.getbuffer())


def load_checkpoint(
    path: Path, device: torch.device | None = None, keys: Sequence[str] = ("model_state_dict",)
) -> dict[str, Any]:
    """Read a checkpoint; only tensors and plain values are admitted.

    Args:
        path: The file.
        device: Where its tensors go; None: the CPU.
        keys: What it must hold.

    Raises:
        UserError: If it is absent, damaged, or lacks a key.
    """
    if path.suffix in (".json", ".safetensors", ".csv"):
        such = path.with_suffix("") / "model.pt"
        raise UserError(f"{path} is no checkpoint: expected the model.pt in the folder of a run, such as {such}")
    try:
        content = torch.load(path, map_location=device or "cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"checkpoint {path} does not exist") from None
    except (PermissionError, IsADirectoryError) as error:  # a damaged archive may be another OSError
        raise UserError(
            f"checkpoint {path} cannot be read ({error.strerror or error}): expected the model.pt of a "
            "run, a file that you may read"
        ) from None
    except Exception as error:  # a damaged archive raises almost anything
        reason = str(error).split("\n")[0][:120] or type(error).__name__
        raise UserError(
            f"checkpoint {path} is damaged ({reason}): delete it to start this run again, or put back a whole copy"
        ) from None
    absent = [key for key in keys if not isinstance(content, dict) or key not in content]
    if absent:
        raise UserError(f"checkpoint {path} holds no '{absent[0]}': expected one that this project wrote")
    wrong = next((key for key in keys if key in _PLAIN and not _PLAIN[key](content[key])), None)
    if wrong is not None:
        raise UserError(
            f"checkpoint {path} is damaged ('{wrong}' is no such thing): delete it to start this run "
            "again, or put back a whole copy"
        )
    return content
