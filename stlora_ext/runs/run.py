"""One run: an experiment under one seed, from its key to its record."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

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
from stlora_ext.lora.files import save_adapter
from stlora_ext.lora.parameters import parameter_report
from stlora_ext.runs.backbone import adapted_backbone, as_trained, run_config, run_key, with_backbone
from stlora_ext.runs.build import build_model, runner_class, settled
from stlora_ext.runs.digest import part_digests
from stlora_ext.runs.key import ADAPTER, CHECKPOINT, SERVICE, RunKey
from stlora_ext.runs.lock import locked
from stlora_ext.runs.memory_plan import memory_plan
from stlora_ext.runs.new_sensors_runner import NewSensorsRunnerMixin
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.provenance import provenance
from stlora_ext.runs.record import Record
from stlora_ext.runs.record_check import NoRecordError
from stlora_ext.runs.reopen import find_run
from stlora_ext.runs.replacement import REPEAT, complete_replacement, replace_run
from stlora_ext.runs.same_data import data_part, refuse_record_of_other_data
from stlora_ext.runs.saved_forecasts import drop_forecasts, save_forecasts
from stlora_ext.runs.split_batches import refuse_unsplittable
from stlora_ext.runs.store import find_record, write_record
from stlora_ext.runs.stream_runner import StreamRunnerMixin
from stlora_ext.weights import bare_state_dict, weights_fingerprint


def train_run(
    exp: Experiment, meta: Meta, seed: int | None, options: RunOptions, force: bool = False
) -> tuple[Record, bool]:
    """Train and evaluate an experiment under one seed, or find the run finished.

    Args:
        exp: The experiment.
        meta: Its data set.
        seed: The seed; None where no seed changes the result.
        options: How it is executed.
        force: Repeat a finished run, or go on with a repetition that was interrupted; the record and what lies beside
            it stay until the new ones are whole. Progress of other data, another backbone or another arithmetic is
            dropped.

    Returns:
        tuple: The record, and whether the run was finished already.

    Raises:
        UserError: If another process works on this run, the data aren't those that were prepared or those of the
            finished run, the data set has other lengths, or there is no trained backbone to adapt.
    """
    refuse_changed_data(options.data, meta)
    exp = as_trained(settled(exp, meta, options.data), seed)
    key = run_key(exp, meta, seed)
    run_dir = options.results / key.path
    with locked(run_dir):
        complete_replacement(run_dir, options.results)
        record = None if force else find_record(key, options.results)
        if record is not None:
            refuse_record_of_other_data(record, meta, options.results)
            if options.save_results:
                run = find_run(key.record_path(options.results), options.results)
                save_forecasts(run, meta, options.data, options.devices[0])
            return record, True
        work = run_dir / REPEAT if os.path.lexists(key.record_path(options.results)) else run_dir
        # What can't be built, or run so, is refused now, not after hours.
        model = build_model(exp, meta, options.data)
        run_config(exp, meta, seed, options)
        refuse_unsplittable(model, exp, meta, options)
        plan = memory_plan(model, exp, meta, options, work)
        del model
        exp, options = plan.applied(with_backbone(exp, meta, seed, options, train_run), options)
        if options.outlook is not None:
            options.outlook.tell_memory(f"{key.model} {key.protocol} {key.arm}", plan.line)
        cfg = run_config(exp, meta, seed, options, work)
        cfg.run_key = str(key.path)
        processes = _begin(work, cfg, options, force)
        runner = launch_training(cfg, runner_class(exp), options.outlook, options.devices)
        record = _write_results(work, key, exp, meta, runner, processes)
        if not options.save_results:
            drop_forecasts(work)
        if work == run_dir:
            write_record(record, options.results)
        else:
            replace_run(run_dir, record, options.results)
        drop_progress(run_dir)
    return record, False


def _begin(work: Path, cfg: ForecastingConfig, options: RunOptions, force: bool) -> list[dict[str, Any]]:
    """Note that this process begins to work on a run, and return every process that has."""
    try:
        epochs = check_progress(work, cfg)
    except UserError:
        if not force:
            raise
        drop_progress(work)
        epochs = 0
    earlier = read_json(work / PROCESSES) if (work / PROCESSES).exists() else []
    processes = [*earlier, {"after_epoch": epochs, **provenance(options)}]
    write_json(work / PROCESSES, processes)
    return processes


def _write_results(
    work: Path, key: RunKey, exp: Experiment, meta: Meta, runner: HostRunner, processes: list[dict[str, Any]]
) -> Record:
    """Write the adapter's file and the checkpoint of a run that has ended, and return its record."""
    settings = configuration(exp)
    adapter: dict[str, int] = {}
    after: dict[str, Any] = {}  # what the protocol adds
    backbone = None
    if exp.adapts or exp.protocol == "adapt":
        backbone = adapted_backbone(exp, meta, key.seed, getattr(runner.model, "backbone", runner.model))
    if exp.adapter is not None:
        described: dict[str, Any] = {
            "scaler": runner.scaler.stats,
            "data_fingerprint": meta.fingerprint,
            "origin": {"key": key.as_dict(), "configuration": settings},
        }
        adapter["adapter_bytes"] = save_adapter(runner.model, work / ADAPTER, **described)
    if isinstance(runner, NewSensorsRunnerMixin):
        after = {"new_sensors": runner.summary()}
    if isinstance(runner, StreamRunnerMixin):
        after = {"stream": runner.summary()}
        if exp.adapter is not None:
            service: dict[str, Any] = {
                "update": len(runner.losses),
                "seed": key.seed,
                "stream": asdict(exp.stream.of_adapter()),
                "updates": [],
            }
            after["stream"]["service_bytes"] = save_adapter(
                runner.model, work / SERVICE, **described, optimizer=runner.optimizer, service=service
            )
    seconds = sorted(epoch["seconds"] for epoch in runner.history) or [None]
    last = {name: value for name, value in processes[-1].items() if name != "after_epoch"}
    content = {
        "key": key.as_dict(),
        "status": "finished",
        "fitted_backbone": exp.backbone.fitted,
        "test": runner.test_result,
        "data": data_part(meta),
        "configuration": settings,
        "weights": weights_fingerprint(bare_state_dict(runner.model)),
        "trained_backbone": backbone and asdict(backbone),
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
        **after,
        **adapter,
    }
    try:
        record = Record.of(json.loads(json.dumps(content)))
    except NoRecordError as error:
        raise UserError(
            f"{key.path}: the results can't be recorded ({error}): the model has diverged; try a lower lr"
        ) from None
    checkpoint = load_checkpoint(runner.best_path)
    save_checkpoint(
        {**checkpoint, "history": runner.history, "record_sha256": part_digests(record.content)}, work / CHECKPOINT
    )
    return record
