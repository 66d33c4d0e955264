"""One cell of the benchmark: an experiment under one seed, from its key to its record."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional

from stlora_ext.data.prepared import SPLITS, Meta, load_split
from stlora_ext.errors import UserError
from stlora_ext.experiment import Experiment, configuration
from stlora_ext.files import atomic_path
from stlora_ext.host.fitting import PARTIAL
from stlora_ext.host.launcher import launch_training
from stlora_ext.host.progress import Outlook
from stlora_ext.host.runner import HostRunner
from stlora_ext.lora.files import save_adapter
from stlora_ext.lora.runner import STLoRARunner
from stlora_ext.parameters import parameter_report
from stlora_ext.records.key import RunKey
from stlora_ext.records.provenance import git_commit, provenance
from stlora_ext.records.store import find_record, write_record
from stlora_ext.resolve import build_model, host_config
from stlora_ext.saved_forecasts import drop_forecasts, save_forecasts
from stlora_ext.trained_backbone import backbone_key, named_backbone, weights_hash

PROGRESS = ("last.pt", "best.pt", PARTIAL)  # what an interrupted run goes on from


@dataclass(frozen=True)
class Place:
    """Where a run reads and writes, and on what it runs.

    Attributes:
        data: Folder of the prepared data sets.
        results: Folder of runs and records.
        gpus: Number of the GPU; None or "": CPU.
        save_results: Whether to keep the test set's forecasts.
        train_backbone: Whether protocol ``adapt`` trains the backbone first where no finished run of it is there.
        compiled: Whether to run the model through ``torch.compile``; it moves results by rounding alone, and by
            other draws of dropout.
        deterministic: Whether a GPU must use algorithms that repeat to the bit.
        cuda_graphs: Whether a GPU replays recorded training steps.
        outlook: How long the command takes that this run is a part of; None: the user isn't told.
    """

    data: Path
    results: Path
    gpus: Optional[str] = None
    save_results: bool = False
    compiled: bool = False
    train_backbone: bool = False
    deterministic: bool = False
    cuda_graphs: bool = False
    outlook: Optional[Outlook] = None


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
        UserError: If another process runs this cell, the finished run is of other data, or there is no trained
            backbone to adapt.
    """
    key = run_key(exp, meta, seed)
    run_dir = place.results / key.path
    with locked(run_dir):
        record = None if force else find_record(key, place.results)
        if record is not None:
            _refuse_other_data(record, key.record_path(place.results), meta)
            if place.save_results:
                save_forecasts(key.record_path(place.results), meta, place.data, place.gpus)
            return record, True
        exp = _with_backbone(exp, meta, seed, place)
        if force:
            for name in ("last.pt", "best.pt"):
                (run_dir / name).unlink(missing_ok=True)
        commit = git_commit()
        # What can't be built or read is refused now, not after hours of training.
        build_model(exp, meta, place.data)
        for split in SPLITS:
            load_split(place.data, meta, split, memmap=True)
        cfg = host_config(exp, meta, place.data, seed, place.gpus, run_dir, place.save_results,
                          place.compiled, place.deterministic, place.cuda_graphs)
        runner = launch_training(cfg, HostRunner if exp.adapter is None else STLoRARunner, place.outlook)
        record = _record(key, exp, meta, seed, runner, commit)
        with atomic_path(run_dir / "model.pt") as temporary:
            shutil.copyfile(runner.best_path, temporary)
        if exp.adapter is not None:
            record["adapter_bytes"] = save_adapter(
                runner.model, run_dir / "adapter.safetensors", scaler=runner.scaler.stats,
                data_fingerprint=meta.fingerprint,
                origin={"key": record["key"], "configuration": record["configuration"]})
        write_record(record, place.results)
        if not place.save_results:
            drop_forecasts(run_dir)
        drop_progress(run_dir)
    return record, False


def drop_progress(run_dir: Path) -> None:
    """Remove what an interrupted run would go on from; its record is written."""
    for name in (*PROGRESS, ".last.pt.tmp", ".best.pt.tmp"):
        (run_dir / name).unlink(missing_ok=True)


def _with_backbone(exp: Experiment, meta: Meta, seed: Optional[int], place: Place) -> Experiment:
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
        _refuse_other_data(record, key.record_path(place.results), meta)
    if record is None or not path.exists():
        if not place.train_backbone:
            raise UserError(f"--protocol adapt: there is no trained {base.model} of these settings and this seed at "
                            f"{path}; --train-backbone trains it first, --from PATH names another one")
        run_cell(base, meta, seed, replace(place, save_results=False), force=not path.exists())
    return replace(exp, backbone_from=str(path))


def _refuse_other_data(record: dict[str, Any], path: Path, meta: Meta) -> None:
    if record["data"]["fingerprint"] != meta.fingerprint:
        raise UserError(f"{path} was measured on other data ({record['data']['fingerprint'][:19]}, {meta.name} is now "
                        f"{meta.fingerprint[:19]}): keep them apart with --results DIR, or replace the record with "
                        "--force")


def _trained_backbone(exp: Experiment, seed: Optional[int]) -> Optional[dict[str, Any]]:
    path = named_backbone(exp, seed)
    if path is None:
        return None
    key = backbone_key(path)
    return {"key": None if key is None else key.as_dict(), "weights": weights_hash(path)}


def _record(key: RunKey, exp: Experiment, meta: Meta, seed: Optional[int], runner: HostRunner,
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
        "trained_backbone": _trained_backbone(exp, seed),
        "training": {"epochs": len(runner.history), "best_epoch": runner.best_epoch,
                     "curriculum": exp.training.curriculum,
                     "cached_forecasts": getattr(runner, "cached_forecasts", False),
                     "seconds_per_epoch": seconds[len(seconds) // 2], "history": runner.history},
        "parameters": parameter_report(runner.model),
        "provenance": {**provenance(runner.device, commit, runner.cfg.deterministic),
                       "compiled": runner.cfg.compile_model, "cuda_graphs": runner.cfg.cuda_graphs},
    }


def is_running(run_dir: Path) -> bool:
    """Whether a process runs the cell of this folder."""
    try:
        with open(run_dir / ".lock", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError as error:
        raise _no_locks(run_dir, error) from None
    return False


@contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """Hold the run's folder against other processes; the lock goes with the process, however it ends.

    Raises:
        UserError: If another process holds it.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    with open(run_dir / ".lock", "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another process is running {run_dir}: wait for it, or stop it first") from None
        except OSError as error:
            raise _no_locks(run_dir, error) from None
        # Writing into the records' folder makes an NFS client see those that other nodes have just written there.
        tempfile.TemporaryFile(dir=run_dir.parent).close()
        yield


def _no_locks(run_dir: Path, error: OSError) -> UserError:
    return UserError(f"{run_dir} is on a file system that takes no locks ({error.strerror}): have it mounted with "
                     "flock, or write to another one with --results DIR")
