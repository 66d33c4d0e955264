"""The trained backbone that a run with protocol ``adapt`` starts from: where it lies, and what identifies it."""

from pathlib import Path
from typing import Optional

import torch

from stlora_ext.errors import UserError
from stlora_ext.experiment import Experiment
from stlora_ext.host.checkpoint import load_checkpoint, weights_fingerprint
from stlora_ext.records.key import RunKey
from stlora_ext.records.store import read_record


def named_backbone(exp: Experiment, seed: Optional[int]) -> Optional[Path]:
    """Return the checkpoint that ``--from`` names, with ``{seed}`` filled in; None where nothing is named."""
    return None if exp.backbone_from is None else Path(exp.backbone_from.replace("{seed}", str(seed)))


def weights_hash(path: Path) -> str:
    """Return the hash of the weights in a trained backbone's checkpoint.

    Raises:
        UserError: If the checkpoint is absent, damaged, one with an adapter, or of a model that saw other inputs.
    """
    content = load_checkpoint(path)
    state, stats = content.get("model_state_dict"), content.get("scaler_stats")
    if not state:
        raise UserError(f"checkpoint {path} holds no model: expected the model.pt of a finished base run")
    if any(name.startswith("adapter.") for name in state):
        raise UserError(f"checkpoint {path} carries an adapter already: expected the model.pt of a finished base run")
    if isinstance(stats, dict) and any(torch.is_tensor(stat) and stat.numel() > 1 for stat in stats.values()):
        raise UserError(f"checkpoint {path} was trained on readings normalised sensor by sensor, as in stock BasicTS: "
                        "expected one mean and std for all; train the base run here (--train-backbone)")
    return weights_fingerprint(state)


def backbone_key(path: Path) -> Optional[RunKey]:
    """Return the key of the run that wrote ``path``, by the record beside its folder; None without one."""
    folder = path.absolute().parent
    record = folder.with_name(f"{folder.name}.json")
    return RunKey(**read_record(record)["key"]) if record.exists() else None


def backbone_identity(path: Path, exp: Experiment, seed: Optional[int]) -> str:
    """Return what stands for a named backbone in the hash of a run's configuration.

    The hash of its own run's configuration where a record tells it, so that the runs of all seeds, each from the
    backbone of its seed, are runs of one configuration; else the hash of its weights.

    Raises:
        UserError: If the checkpoint can't be used, or is of another model.
    """
    weights, key = weights_hash(path), backbone_key(path)
    if key is None:
        return weights
    if key.model != exp.backbone.name:
        raise UserError(f"--from {path} is a run of {key.model}, expected one of {exp.backbone.name}")
    return identity_of(key, exp, seed)


def identity_of(key: RunKey, exp: Experiment, seed: Optional[int]) -> str:
    """Return what stands for the backbone of the run ``key`` in the hash of a run's configuration."""
    identity = key.config_hash if key.dataset == exp.dataset else f"{key.dataset}-{key.config_hash}"
    return identity if key.seed == seed else f"{identity}-seed{key.seed}"
