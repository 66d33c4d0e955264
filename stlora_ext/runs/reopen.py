"""A finished run opened again: from its record or checkpoint to its experiment, its model and its scaler."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from stlora_ext.config.experiment import ArmName, Experiment, ProtocolName, experiment
from stlora_ext.config.training import TrainingSettings
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.fields import checked
from stlora_ext.host.checkpoint import load_checkpoint
from stlora_ext.lora.predictor import STLoRAConfig
from stlora_ext.runs.build import build_model
from stlora_ext.runs.key import ARMS, RunKey
from stlora_ext.runs.same_data import refuse_other_data
from stlora_ext.runs.store import read_whole_record
from stlora_ext.weights import load_weights

CHECKPOINT = "model.pt"
OTHER_DATA_REMEDY = "prepare the earlier data again, or name their folder with --data DIR"
_PROTOCOLS = ("fitted", "joint", "adapt")


@dataclass(frozen=True)
class FinishedRun:
    """A run that has a record.

    Attributes:
        path: The record's file.
        record: What it says.
        key: Its key.
        exp: Its experiment; of an adapted run, without the place of the backbone that it began with.
        checkpoint: Its ``model.pt``; None where that is at none of ``places``.
        places: Where it was looked for.
    """

    path: Path
    record: dict[str, Any]
    key: RunKey
    exp: Experiment
    checkpoint: Path | None
    places: tuple[Path, ...]


def find_run(path: Path, results: Path) -> FinishedRun:
    """Find the run that a record or a checkpoint belongs to.

    Args:
        path: A record (.json), or the model.pt in a run's folder.
        results: Folder of the runs, for a record with no run's folder beside it, such as a published one.

    Raises:
        UserError: If ``path`` is absent or neither of the two, the record is absent or damaged, or it says something
            that this version doesn't understand.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder: expected the record of a finished run (.json) or its {CHECKPOINT}")
    if not path.is_file():
        raise UserError(f"{path} does not exist: expected the record of a finished run (.json) or its {CHECKPOINT}")
    if path.suffix not in (".json", ".pt"):
        raise UserError(
            f"{path} ends in '{path.suffix}': expected the record of a finished run (.json) or its {CHECKPOINT}"
        )
    if path.suffix == ".pt":
        folder = path.resolve().parent
        record_path = folder.with_name(f"{folder.name}.json")
        if not record_path.is_file():
            raise UserError(
                f"checkpoint {path} has no record {record_path.name} beside its folder: finish the run "
                "(the same run.py command goes on), or give the record and name the folder of runs with "
                "--results DIR"
            )
    else:
        record_path = path
    record = read_whole_record(record_path, figures=False)
    key = RunKey(**record["key"])
    exp = rebuild(key, record["configuration"], f"record {record_path}")
    places = (
        (path,)
        if path.suffix == ".pt"
        else tuple(dict.fromkeys((record_path.with_suffix("") / CHECKPOINT, results / key.path / CHECKPOINT)))
    )
    return FinishedRun(record_path, record, key, exp, next((p for p in places if p.is_file()), None), places)


def rebuild(key: RunKey, configuration: dict[str, Any], source: str) -> Experiment:
    """Build the experiment of a run from its key and its configuration; settings that these lack have their defaults.

    Args:
        key: The key.
        configuration: What ``experiment.configuration`` returned, also as JSON has it.
        source: Where they come from, for messages.

    Raises:
        UserError: If they are damaged or name what this version doesn't know.
    """
    try:
        if key.arm not in ARMS or key.protocol not in _PROTOCOLS or (key.arm == "base") == key.model.endswith("+"):
            raise ValueError(f"{key.model}, protocol {key.protocol}, arm {key.arm}")
        exp = experiment(key.dataset, key.model)
        adapter = STLoRAConfig(**checked(STLoRAConfig, configuration["adapter"], "adapter.")) if exp.adapter else None
        return replace(
            exp,
            arm=cast(ArmName, key.arm),
            protocol=cast(ProtocolName, key.protocol),
            adapter=adapter,
            seeds=exp.seeds if key.seed is None else (key.seed,),
            training=TrainingSettings(**checked(TrainingSettings, configuration["training"])),
            model_settings=checked(exp.backbone.config, configuration["model"], "model."),
        )
    except UserError as error:
        raise UserError(
            f"{source}: {error} It was written by another version (repeat the run), or with a backbone of "
            "your own (name the file that registers it, --plugins FILE)"
        ) from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError(
            f"{source} is damaged ({type(error).__name__}: {error}): put back a whole copy, or repeat the run"
        ) from None


def read_checkpoint(run: FinishedRun, meta: Meta) -> dict[str, Any]:
    """Read the checkpoint of ``run``, whose ``checkpoint`` is there.

    Raises:
        UserError: If it is damaged, or of other data or another configuration than the record.
    """
    assert run.checkpoint is not None
    checkpoint = load_checkpoint(run.checkpoint, keys=("model_state_dict", "scaler_stats", "config_md5"))
    refuse_other_data(
        {"fingerprint": checkpoint.get("data_fingerprint")}, meta, f"checkpoint {run.checkpoint}", OTHER_DATA_REMEDY
    )
    if checkpoint["config_md5"][:8] != run.key.config_hash:
        raise UserError(
            f"checkpoint {run.checkpoint} is of another run (configuration {checkpoint['config_md5'][:8]}, "
            f"record {run.path.name} says {run.key.config_hash}): put back the run's own {CHECKPOINT}, or "
            "repeat the run with --force"
        )
    if checkpoint.get("run_key") not in (None, "", str(run.key.path)):
        raise UserError(
            f"checkpoint {run.checkpoint} is of the run {checkpoint['run_key']}, record {run.path.name} "
            f"says {run.key.path}: put back the run's own files, or repeat it with --force"
        )
    return checkpoint


def load_run(run: FinishedRun, meta: Meta, data_dir: Path) -> tuple[nn.Module, dict[str, torch.Tensor]]:
    """Build the model of ``run`` with its checkpoint's weights, on the CPU, in eval mode.

    Returns:
        tuple: The model, and the statistics ``mean`` and ``std`` of its scaler.

    Raises:
        UserError: As ``read_checkpoint``, or if the weights don't fit.
    """
    checkpoint = read_checkpoint(run, meta)
    assert run.checkpoint is not None
    model = build_model(run.exp, meta, data_dir)
    load_weights(model, checkpoint["model_state_dict"], run.checkpoint)
    return model.eval(), checkpoint["scaler_stats"]
