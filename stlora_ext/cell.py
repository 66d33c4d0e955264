"""One cell of the benchmark: an experiment under one seed, from its key to its record."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from stlora_ext.data.prepared import SPLITS, Meta, load_split
from stlora_ext.errors import UserError
from stlora_ext.experiment import Experiment, configuration
from stlora_ext.files import atomic_path
from stlora_ext.host.fitting import PARTIAL
from stlora_ext.host.launcher import launch_training
from stlora_ext.host.runner import HostRunner
from stlora_ext.lora.model import parameter_counts
from stlora_ext.lora.runner import STLoRARunner
from stlora_ext.records.key import RunKey
from stlora_ext.records.provenance import git_commit, provenance
from stlora_ext.records.store import find_record, write_record
from stlora_ext.resolve import build_model, host_config


@dataclass(frozen=True)
class Place:
    """Where a run reads and writes, and on what it runs.

    Attributes:
        data: Folder of the prepared data sets.
        results: Folder of runs and records.
        gpus: Number of the GPU; None or "": CPU.
        save_results: Whether to keep the test set's forecasts.
        compiled: Whether to run the model through ``torch.compile``; it moves results by rounding alone, and by
            other draws of dropout.
    """

    data: Path
    results: Path
    gpus: Optional[str] = None
    save_results: bool = False
    compiled: bool = False


def run_key(exp: Experiment, meta: Meta, seed: Optional[int]) -> RunKey:
    """Return the key of one run."""
    config_hash = host_config(exp, meta, Path(), seed).md5[:8]
    return RunKey(exp.dataset, exp.model, exp.protocol, exp.arm, config_hash, seed)


def run_cell(exp: Experiment, meta: Meta, seed: Optional[int], place: Place,
             force: bool = False) -> tuple[dict[str, Any], bool]:
    """Train and evaluate one cell, or find it finished.

    Args:
        exp: The experiment.
        meta: Its data set.
        seed: The seed; None where no seed changes the result.
        place: Where to read and write.
        force: Repeat a finished run; its record and weights stay until the new ones are whole.

    Returns:
        tuple: The record, and whether it was there already.

    Raises:
        UserError: If another process runs this cell, or the finished run is of other data.
    """
    key = run_key(exp, meta, seed)
    run_dir = place.results / key.path
    with _locked(run_dir):
        record = None if force else find_record(key, place.results)
        if record is not None:
            if record["data"]["fingerprint"] != meta.fingerprint:
                raise UserError(f"{key.record_path(place.results)} was measured on other data "
                                f"({record['data']['fingerprint'][:19]}, {meta.name} is now {meta.fingerprint[:19]}): "
                                "keep them apart with --results DIR, or replace the record with --force")
            return record, True
        if force:
            for name in ("last.pt", "best.pt"):
                (run_dir / name).unlink(missing_ok=True)
        commit = git_commit()
        # What can't be built or read is refused now, not after hours of training.
        build_model(exp, meta, place.data)
        for split in SPLITS:
            load_split(place.data, meta, split, memmap=True)
        cfg = host_config(exp, meta, place.data, seed, place.gpus, run_dir, place.save_results,
                          place.compiled)
        runner = launch_training(cfg, HostRunner if exp.adapter is None else STLoRARunner)
        record = _record(key, exp, meta, runner, commit)
        with atomic_path(run_dir / "model.pt") as temporary:
            shutil.copyfile(runner.best_path, temporary)
        write_record(record, place.results)
        for name in ("last.pt", "best.pt", ".last.pt.tmp", ".best.pt.tmp", PARTIAL):
            (run_dir / name).unlink(missing_ok=True)
    return record, False


def _record(key: RunKey, exp: Experiment, meta: Meta, runner: HostRunner,
            commit: Optional[str]) -> dict[str, Any]:
    seconds = sorted(entry["seconds"] for entry in runner.history)
    return {
        "key": key.as_dict(),
        "status": "finished",
        "fitted_backbone": exp.backbone.fitted,
        "test": runner.test_result,
        "data": {"fingerprint": meta.fingerprint, "num_steps": meta.num_steps, "num_nodes": meta.num_nodes,
                 "interval": meta.interval, "null_val": None if meta.null_val != meta.null_val else meta.null_val,
                 "windows": meta.windows},
        "configuration": configuration(exp),
        "training": {"epochs": len(runner.history), "best_epoch": runner.best_epoch,
                     "curriculum": exp.training.curriculum,
                     "seconds_per_epoch": seconds[len(seconds) // 2], "history": runner.history},
        "parameters": parameter_counts(runner.model),
        "provenance": {**provenance(runner.device, commit), "compiled": runner.cfg.compile_model},
    }


@contextmanager
def _locked(run_dir: Path) -> Iterator[None]:
    """Hold the run's folder against other processes; the lock goes with the process, however it ends."""
    run_dir.mkdir(parents=True, exist_ok=True)
    with open(run_dir / ".lock", "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another process is running {run_dir}: wait for it, or stop it first") from None
        yield
