"""The trained backbone that a run with protocol ``adapt`` starts from: where it lies, and what identifies it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from stlora_ext.config.experiment import Experiment
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.host.checkpoint import load_checkpoint
from stlora_ext.runs.key import RunKey, checked_key
from stlora_ext.runs.store import read_record
from stlora_ext.weights import bare_state, weights_fingerprint


@dataclass(frozen=True)
class TrainedBackbone:
    """A checkpoint with a backbone's weights.

    Attributes:
        path: The file.
        key: Key of the run that wrote it, by the record beside its folder; None without one.
        weights: Hash of its weights.
        fingerprint: Fingerprint of the data that it was trained on; None where it doesn't say.
    """

    path: Path
    key: RunKey | None
    weights: str
    fingerprint: str | None


def named_backbone(exp: Experiment, seed: int | None) -> Path | None:
    """Return the checkpoint that ``--from`` names, with ``{seed}`` filled in; None where nothing is named."""
    return None if exp.backbone_from is None else Path(exp.backbone_from.replace("{seed}", str(seed)))


def read_backbone(path: Path, exp: Experiment, meta: Meta) -> TrainedBackbone:
    """Read what identifies a trained backbone.

    Args:
        path: Its checkpoint.
        exp: The experiment that adapts it.
        meta: The data set of that experiment.

    Raises:
        UserError: If the checkpoint is absent, damaged, one with an adapter, of another model, of one that saw other
            inputs, or of other data.
    """
    content = load_checkpoint(path)
    state, stats = bare_state(content.get("model_state_dict") or {}), content.get("scaler_stats")
    expected = "expected the model.pt of a finished base run"
    if not state:
        raise UserError(f"checkpoint {path} holds no model: {expected}")
    if any(name.startswith("adapter.") for name in state):
        raise UserError(f"checkpoint {path} carries an adapter already: {expected}")
    if isinstance(stats, dict) and any(torch.is_tensor(stat) and stat.numel() > 1 for stat in stats.values()):
        raise UserError(
            f"checkpoint {path} was trained on readings normalised sensor by sensor, as in stock BasicTS: "
            "expected one mean and std for all; train the base run here (--train-backbone)"
        )
    folder = path.absolute().parent
    record = folder.with_name(f"{folder.name}.json")
    key = RunKey(**read_record(record)["key"]) if record.exists() else None
    if key is not None and key.model != exp.backbone.name:
        raise UserError(f"--from {path} is a run of {key.model}, expected one of {exp.backbone.name}")
    backbone = TrainedBackbone(path, key, weights_fingerprint(state), content.get("data_fingerprint"))
    if backbone.fingerprint not in (None, meta.fingerprint):
        raise UserError(
            f"the backbone {path} was trained on other data ({backbone.fingerprint[:19]}, {meta.name} is "
            f"now {meta.fingerprint[:19]}): train one on these data (--train-backbone without --from), or "
            "prepare the earlier data again"
        )
    return backbone


def backbone_identity(backbone: TrainedBackbone, exp: Experiment, seed: int | None) -> str:
    """Return what stands for a named backbone in the hash of a run's configuration.

    The hash of its own run's configuration where a record tells it, so that the runs of all seeds, each from the
    backbone of its seed, are runs of one configuration; else the hash of its weights.
    """
    return backbone.weights if backbone.key is None else _identity_of(backbone.key, exp, seed)


def recorded_identity(record: Mapping[str, Any], exp: Experiment) -> str:
    """Return what stood for the backbone of a recorded run in the hash of its configuration.

    Raises:
        KeyError: If the record doesn't say which backbone it adapted.
        TypeError: If what it says is no key.
    """
    trained = record["trained_backbone"]
    if trained is None or trained["key"] is None:
        return trained["weights"]
    return _identity_of(checked_key(trained["key"]), exp, record["key"]["seed"])


def _identity_of(key: RunKey, exp: Experiment, seed: int | None) -> str:
    identity = key.config_hash if key.dataset == exp.dataset else f"{key.dataset}-{key.config_hash}"
    return identity if key.seed == seed else f"{identity}-seed{key.seed}"
