"""A finished run opened again, by its record, checkpoint or adapter: its experiment, data set, model and scaler."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from stlora_ext.config.experiment import Experiment
from stlora_ext.data.available import open_dataset
from stlora_ext.data.fingerprint import refuse_changed_data
from stlora_ext.data.prepared import Meta, with_sensors
from stlora_ext.errors import UserError
from stlora_ext.host.checkpoint import load_checkpoint
from stlora_ext.lora.files import load_adapter, read_adapter
from stlora_ext.lora.model import STLoRA
from stlora_ext.runs.build import build_model, trained_on
from stlora_ext.runs.key import CHECKPOINT, RunKey, checked_key
from stlora_ext.runs.record import Record
from stlora_ext.runs.rerun import how_to_repeat, rebuild
from stlora_ext.runs.same_data import refuse_other_data
from stlora_ext.runs.store import read_record
from stlora_ext.weights import bare_state, load_weights

OTHER_DATA_REMEDY = "prepare the earlier data again, or name their folder with --data DIR"


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
    record: Record
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
    record = read_record(record_path)
    key = record.key
    exp = rebuild(key, record.configuration.as_dict(), f"record {record_path}")
    beside = path if path.suffix == ".pt" else record_path.with_suffix("") / CHECKPOINT
    places = tuple(dict.fromkeys((beside, results / key.path / CHECKPOINT)))
    return FinishedRun(record_path, record, key, exp, next((p for p in places if p.is_file()), None), places)


def open_run(path: Path, results: Path, data: Path) -> tuple[FinishedRun, Meta]:
    """Open a finished run and its data set; a simulated set that isn't there is made first.

    Args:
        path: The run's record or its model.pt.
        results: Folder of the runs.
        data: Folder of the prepared data sets.

    Raises:
        UserError: If the record or the data set is absent, damaged or not the run's, or there is no checkpoint, with
            the command that repeats the run.
    """
    run = find_run(path, results)
    meta = open_dataset(run.exp.dataset, data)
    refuse_changed_data(data, meta)
    refuse_other_data(run.record.data.given, meta, f"record {run.path}", OTHER_DATA_REMEDY)
    if run.checkpoint is None:
        raise UserError(
            f"the checkpoint of {run.path} is not there (looked for {', '.join(map(str, run.places))}): "
            f"repeat the run with: {how_to_repeat(run.record, meta, results, data)}"
        )
    return run, meta


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


def load_model(run: FinishedRun, meta: Meta, data_dir: Path) -> tuple[nn.Module, dict[str, torch.Tensor]]:
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


@dataclass(frozen=True)
class AdapterOrigin:
    """What an adapter file says about where it comes from.

    Attributes:
        path: The file.
        described: Its description.
        exp: The experiment of the run that trained it.
    """

    path: Path
    described: dict[str, Any]
    exp: Experiment


def read_origin(path: Path) -> AdapterOrigin:
    """Read which run an adapter file comes from.

    Raises:
        UserError: If the file is absent or damaged, or was saved without origin or scaler.
    """
    described, _ = read_adapter(path)
    origin, scaler = described.get("origin"), described.get("scaler")
    if not origin or not scaler:
        raise UserError(
            f"adapter file {path} holds no {'scaler' if origin else 'origin'}: expected one that run.py "
            "wrote, or save_adapter with scaler=... and origin=...; in Python, load_adapter(backbone, "
            "path) takes it as it is"
        )
    try:
        key, configuration = checked_key(origin["key"]), origin["configuration"]
        for statistic in ("mean", "std"):
            shape = tuple(torch.tensor(scaler[statistic], dtype=torch.float32).shape)
            if shape not in ((), (described["num_nodes"],)):
                raise ValueError(f"{statistic} has shape {shape}, expected a number, or one per node")
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise UserError(
            f"adapter file {path} is damaged (its origin or scaler: {error}): put back a whole copy"
        ) from None
    return AdapterOrigin(path, described, rebuild(key, configuration, f"adapter file {path}"))


def sensors_of(origin: AdapterOrigin, meta: Meta) -> Meta:
    """Return a data set's description with the sensors of an adapter file: without those that were set aside, with
    those that were added.

    Sensors of another data set aren't taken over: ``load_adapted`` refuses them.
    """
    meta = trained_on(origin.exp, meta)
    names, added = origin.described.get("names") or [], sum(origin.described.get("added", []))
    known = names[: len(names) - added]
    return with_sensors(meta, names[len(known) :]) if added and known == meta.sensor_ids else meta


def load_adapted(
    origin: AdapterOrigin, meta: Meta, data_dir: Path, backbone_from: Path | None = None
) -> tuple[STLoRA, dict[str, torch.Tensor]]:
    """Build the backbone of an adapter file, load its weights and put the adapter on it.

    Args:
        origin: The file.
        meta: Its data set, with that set's own sensors.
        data_dir: Folder of the prepared data sets.
        backbone_from: Checkpoint that holds the backbone's weights, with or without an adapter's; None: the
            ``model.pt`` beside the file.

    Returns:
        tuple: The model in eval mode, on the CPU, and the statistics ``mean`` and ``std`` of its scaler.

    Raises:
        UserError: If the data set or the weights aren't the adapter's, or no checkpoint is there.
    """
    refuse_changed_data(data_dir, meta)
    refuse_other_data(
        {"fingerprint": origin.described.get("data_fingerprint")},
        meta,
        f"adapter file {origin.path}",
        OTHER_DATA_REMEDY,
    )
    source = origin.path.parent / CHECKPOINT if backbone_from is None else backbone_from
    if not source.is_file():
        expected = (
            f"expected the {CHECKPOINT} of the {origin.exp.model} run that trained the adapter, or of the "
            f"{origin.exp.backbone.name} that it adapted"
        )
        raise UserError(
            f"--backbone {source} does not exist: {expected}"
            if backbone_from is not None
            else f"adapter file {origin.path} has no {CHECKPOINT} beside it: name one with --backbone PATH; {expected}"
        )
    backbone = build_model(origin.exp.with_arm("base"), meta, data_dir)
    load_weights(backbone, backbone_state(load_checkpoint(source)["model_state_dict"]), source)
    sensors = sensors_of(origin, meta)
    model = load_adapter(
        backbone,
        origin.path,
        names=sensors.sensor_ids,
        num_nodes=sensors.num_nodes,
        input_len=meta.input_len,
        output_len=meta.output_len,
    )
    return model, {name: torch.tensor(value) for name, value in origin.described["scaler"].items()}


def backbone_state(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the backbone's weights by its own names, from the state of a model with or without adapter."""
    state = bare_state(state)
    if not any(name.startswith("adapter.") for name in state):
        return state
    return {name.removeprefix("backbone."): tensor for name, tensor in state.items() if name.startswith("backbone.")}
