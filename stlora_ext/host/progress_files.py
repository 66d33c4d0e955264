"""The files that an interrupted run goes on from, and whether they are its own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stlora_ext.errors import UserError
from stlora_ext.host.checkpoint import load_checkpoint
from stlora_ext.host.config import ForecastingConfig
from stlora_ext.host.fitting import PARTIAL
from stlora_ext.numerics import NUMERICS

LAST, BEST, PROCESSES = "last.pt", "best.pt", "processes.json"
PROGRESS = (LAST, BEST, PARTIAL, PROCESSES)
_ANEW = "start this run anew with --force"
_OTHER = {
    "run_key": ("is of another run", "move it away, or " + _ANEW),
    "data_fingerprint": ("was made on other data", "prepare the earlier data again, or " + _ANEW),
    "config_md5": ("is of another configuration", "move it away, or " + _ANEW),
    "backbone_weights": ("was begun on other weights of the backbone, whose run was repeated since", _ANEW),
    "numerics": ("was begun by a version whose arithmetic differs", "finish it with that version, or " + _ANEW),
}


def identity(cfg: ForecastingConfig) -> dict[str, Any]:
    """Return what every progress file holds, to be told from another run's."""
    return {
        "run_key": cfg.run_key,
        "data_fingerprint": cfg.data_fingerprint,
        "config_md5": cfg.md5,
        "backbone_weights": cfg.get("backbone_weights"),
        "numerics": NUMERICS,
    }


def identity_text(cfg: ForecastingConfig) -> str:
    """Return the identity as text, for a model that keeps partial results of its fit."""
    return json.dumps(identity(cfg), sort_keys=True)


def check_progress(run_dir: Path, cfg: ForecastingConfig) -> int:
    """Refuse progress files of another run, other data, another backbone or another arithmetic.

    Returns:
        int: How many epochs they hold.

    Raises:
        UserError: If one is another's, or damaged.
    """
    epochs = 0
    for name in (LAST, BEST):
        if (run_dir / name).exists():
            content = load_checkpoint(run_dir / name, keys=("model_state_dict", "config_md5"))
            _refuse_other(content, cfg, run_dir / name)
            epochs = content["epoch"] if name == LAST else epochs
    if (run_dir / PARTIAL).exists():
        _refuse_other(_identity_in(run_dir / PARTIAL), cfg, run_dir / PARTIAL)
    return epochs


def is_of(content: Mapping[str, Any], cfg: ForecastingConfig) -> bool:
    """Return whether a progress file is of the run of ``cfg``."""
    return not _differing(content, cfg)


def drop_progress(run_dir: Path) -> None:
    """Remove the progress files, and what a killed process had begun to write of them."""
    for name in (*PROGRESS, f".{LAST}.tmp", f".{BEST}.tmp", f".{PARTIAL}.tmp.npz", f".{PROCESSES}.tmp"):
        (run_dir / name).unlink(missing_ok=True)


def _refuse_other(content: Mapping[str, Any], cfg: ForecastingConfig, path: Path) -> None:
    for name, (there, own) in _differing(content, cfg).items():
        what, remedy = _OTHER[name]
        raise UserError(f"{path} {what} ({_short(there)}, this is {_short(own)}): {remedy}")


def _differing(content: Mapping[str, Any], cfg: ForecastingConfig) -> dict[str, tuple[Any, Any]]:
    """Return what of a progress file's identity isn't that of ``cfg``: its own, and the other."""
    both = {name: (content.get(name, 0 if name == "numerics" else None), own) for name, own in identity(cfg).items()}
    return {name: (there, own) for name, (there, own) in both.items() if there != own}


def _identity_in(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as saved:
            found = json.loads(str(saved["identity"])) if "identity" in saved else {}
            if not isinstance(found, dict):
                raise ValueError("its identity is no object")
            return found
    except Exception as error:  # a damaged archive raises almost anything
        raise UserError(f"the partial result {path} is damaged ({str(error)[:200]}): delete it to fit anew") from None


def _short(value: Any) -> str:
    return value[:19] if isinstance(value, str) and value.startswith("sha256:") else str(value or "unknown")
