"""One cell of the benchmark: an experiment under one seed, from its key to its record."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from stlora_ext.config.experiment import Experiment, configuration
from stlora_ext.data.fingerprint import refuse_changed_data
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.files import read_json, write_json
from stlora_ext.host.checkpoint import load_checkpoint, save_checkpoint
from stlora_ext.host.config import ForecastingConfig
from stlora_ext.host.launcher import launch_training
from stlora_ext.host.progress_files import PROCESSES, check_progress, drop_progress
from stlora_ext.host.runner import HostRunner
from stlora_ext.lora.files import backbone_hash, save_adapter
from stlora_ext.lora.parameters import parameter_report
from stlora_ext.runs.adapter_runner import STLoRARunner
from stlora_ext.runs.backbone import named_backbone, read_backbone
from stlora_ext.runs.build import build_model, host_config, settled
from stlora_ext.runs.digest import part_digests
from stlora_ext.runs.key import RunKey
from stlora_ext.runs.lock import locked
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.provenance import provenance
from stlora_ext.runs.replacement import REPEAT, complete_replacement, replace_run
from stlora_ext.runs.same_data import data_part, refuse_other_data
from stlora_ext.runs.saved_forecasts import drop_forecasts, save_forecasts
from stlora_ext.runs.store import find_record, write_record
from stlora_ext.weights import bare_state_dict, weights_fingerprint


def run_key(exp: Experiment, meta: Meta, seed: int | None) -> RunKey:
    """Return the key of one run."""
    config_hash = host_config(exp, meta, Path(), seed).md5[:8]
    return RunKey(exp.dataset, exp.model, exp.protocol, exp.arm, config_hash, seed)


def train_run(
    exp: Experiment, meta: Meta, seed: int | None, place: RunOptions, force: bool = False
) -> tuple[dict[str, Any], bool]:
    """Train and evaluate one cell, or find it finished.

    Args:
        exp: The experiment.
        meta: Its data set.
        seed: The seed; None where no seed changes the result.
        place: Where to read and write.
        force: Repeat a finished run, or go on with a repetition that was interrupted; the record and what lies beside
            it stay until the new ones are whole. Progress of other data, another backbone or another arithmetic is
            dropped.

    Returns:
        tuple: The record, and whether it was there already.

    Raises:
        UserError: If another process runs this cell, the data aren't those that were prepared or those of the finished
            run, the data set has other lengths, or there is no trained backbone to adapt.
    """
    refuse_changed_data(place.data, meta)
    exp = settled(exp, meta, place.data)
    key = run_key(exp, meta, seed)
    run_dir = place.results / key.path
    with locked(run_dir):
        complete_replacement(run_dir, place.results)
        record = None if force else find_record(key, place.results)
        if record is not None:
            _refuse_other_data(record, key, meta, place)
            if place.save_results:
                save_forecasts(key.record_path(place.results), meta, place.data, place.gpus)
            return record, True
        exp = _with_backbone(exp, meta, seed, place)
        work = run_dir / REPEAT if os.path.lexists(key.record_path(place.results)) else run_dir
        build_model(exp, meta, place.data)  # what can't be built is refused now, not after hours of training
        cfg = host_config(
            exp,
            meta,
            place.data,
            seed,
            place.gpus,
            work,
            place.save_results,
            place.compiled,
            place.deterministic,
            place.cuda_graphs,
        )
        cfg.run_key = str(key.path)
        processes = _begin(work, cfg, place, force)
        runner = launch_training(cfg, HostRunner if exp.adapter is None else STLoRARunner, place.outlook)
        record = _record(key, exp, meta, seed, runner, processes)
        if exp.adapter is not None:
            record["adapter_bytes"] = save_adapter(
                runner.model,
                work / "adapter.safetensors",
                scaler=runner.scaler.stats,
                data_fingerprint=meta.fingerprint,
                origin={"key": record["key"], "configuration": record["configuration"]},
            )
        save_checkpoint(
            {**load_checkpoint(runner.best_path), "history": runner.history, "record_sha256": part_digests(record)},
            work / "model.pt",
        )
        if not place.save_results:
            drop_forecasts(work)
        if work == run_dir:
            write_record(record, place.results)
        else:
            replace_run(run_dir, record, place.results)
        drop_progress(run_dir)
    return record, False


def _begin(work: Path, cfg: ForecastingConfig, place: RunOptions, force: bool) -> list[dict[str, Any]]:
    """Note that this process begins to work on a run, and return every process that has."""
    try:
        epochs = check_progress(work, cfg)
    except UserError:
        if not force:
            raise
        drop_progress(work)
        epochs = 0
    earlier = read_json(work / PROCESSES) if (work / PROCESSES).exists() else []
    device = torch.device("cuda", int(place.gpus)) if place.gpus else torch.device("cpu")
    processes = [
        *earlier,
        {"after_epoch": epochs, **provenance(device, place.deterministic, place.compiled, place.cuda_graphs)},
    ]
    write_json(work / PROCESSES, processes)
    return processes


def _with_backbone(exp: Experiment, meta: Meta, seed: int | None, place: RunOptions) -> Experiment:
    """Name the trained backbone that ``exp`` adapts, training it first where ``place`` says so.

    Raises:
        UserError: If there is none, or it was trained on other data.
    """
    if exp.protocol != "adapt" or exp.backbone.fitted or exp.backbone_from is not None:
        return exp
    base = exp.with_arm("base")
    key = run_key(base, meta, seed)
    path = place.results / key.path / "model.pt"
    record = find_record(key, place.results)
    if record is not None:
        _refuse_other_data(record, key, meta, place)
    if record is None or not path.exists():
        if not place.train_backbone:
            raise UserError(
                f"--protocol adapt: there is no trained {base.model} of these settings and this seed at "
                f"{path}; --train-backbone trains it first, --from PATH names another one"
            )
        train_run(base, meta, seed, replace(place, save_results=False), force=not path.exists())
    return replace(exp, backbone_from=str(path))


def _refuse_other_data(record: dict[str, Any], key: RunKey, meta: Meta, place: RunOptions) -> None:
    refuse_other_data(
        record["data"],
        meta,
        f"record {key.record_path(place.results)}",
        "keep them apart with --results DIR, or replace the record with --force",
    )


def _trained_backbone(exp: Experiment, meta: Meta, seed: int | None, runner: HostRunner) -> dict[str, Any] | None:
    """Return what a record says of the backbone that was adapted: its run, its weights, the data that they saw."""
    if exp.protocol != "adapt":
        return None
    assert isinstance(runner, STLoRARunner)
    weights, path = backbone_hash(runner.model.backbone), named_backbone(exp, seed)
    if path is None:  # fitted by the run itself
        return {"key": None, "weights": weights, "fingerprint": meta.fingerprint}
    backbone = read_backbone(path, exp, meta)
    return {
        "key": None if backbone.key is None else backbone.key.as_dict(),
        "weights": weights,
        "fingerprint": backbone.fingerprint,
    }


def _record(
    key: RunKey, exp: Experiment, meta: Meta, seed: int | None, runner: HostRunner, processes: list[dict[str, Any]]
) -> dict[str, Any]:
    seconds = sorted(entry["seconds"] for entry in runner.history)
    last = {name: value for name, value in processes[-1].items() if name != "after_epoch"}
    return {
        "key": key.as_dict(),
        "status": "finished",
        "fitted_backbone": exp.backbone.fitted,
        "test": runner.test_result,
        "data": data_part(meta),
        "configuration": configuration(exp),
        "weights": weights_fingerprint(bare_state_dict(runner.model)),
        "trained_backbone": _trained_backbone(exp, meta, seed, runner),
        "training": {
            "epochs": len(runner.history),
            "best_epoch": runner.best_epoch,
            "curriculum": exp.training.curriculum,
            "cached_forecasts": getattr(runner, "cached_forecasts", False),
            "seconds_per_epoch": seconds[len(seconds) // 2],
            "history": runner.history,
        },
        "parameters": parameter_report(runner.model),
        "provenance": {**last, "processes": processes},
    }
