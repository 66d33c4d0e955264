"""Adapters in service on QUICK: its whole series as a user has it, runs of protocol stream, updates by the command."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors import safe_open

from experiments import update
from stlora_ext.data.prepared import SPLITS, load_split
from stlora_ext.host.devices import use_device
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.run import train_run
from tests.support.reopened import data, finished, quick, quick_meta, results

EVERY = 37  # three periods in QUICK's test set
STREAM = {"memory": 0.5, "steps": 20, "lr": 4e-3, "batch_size": 16}  # a memory that reaches into the training rows
MEMORY = 144  # its rows
SETTINGS = ["--set", *(f"stream.{name}={value}" for name, value in STREAM.items())]


def readings() -> pd.DataFrame:
    """The whole series."""
    meta = quick_meta()
    splits = [load_split(data(), meta, split)[0] for split in SPLITS]
    values = np.concatenate([splits[0][: meta.windows["train"]], splits[1][: meta.windows["val"]], splits[2]])
    times = pd.date_range(meta.start, periods=len(values), freq=pd.Timedelta(minutes=meta.interval), name="time")
    return pd.DataFrame(values, times, meta.sensor_ids)


def start_of(period: int, every: int = EVERY) -> int:
    """The first row that isn't known at the start of a period."""
    meta = quick_meta()
    return meta.windows["train"] + meta.windows["val"] + period * every + meta.input_len


def memory_before(now: int, rows: int = MEMORY + 12) -> pd.DataFrame:
    """The rows that an update before a row reads."""
    return readings().iloc[max(0, now - rows) : now]


def streamed(model: str, arm: str = "plus", **stream: Any) -> Path:
    """Return the record of a finished run of protocol stream, of three periods."""
    finished(model.removesuffix("+"))
    settings = {f"stream.{name}": value for name, value in {"every": EVERY, **STREAM, **stream}.items()}
    exp = quick(model).override(settings).with_protocol("stream").with_arm(arm)
    use_device("")
    options = RunOptions(data(), results(), train_backbone=True)
    record, _ = train_run(exp, quick_meta(), 0, options)
    return record.key.record_path(results())


def updated(path: Path, table: pd.DataFrame, output: Path, *more: object) -> Path:
    """Update by the command with these readings; return the new file."""
    source = output.with_suffix(".csv")
    source.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(source)
    update.main(arguments(path, source, output, *more))
    return output


def arguments(path: Path, source: Path, output: Path, *more: object) -> list[str]:
    """The command line of an update."""
    folders = ("--data", data(), "--results", results())
    return [str(word) for word in (path, "--input", source, "--output", output, *folders, *more)]


def backbone(model: str = "LSTM") -> Sequence[object]:
    """The option that names the backbone of a file."""
    return ("--backbone", finished(model).with_suffix("") / "model.pt")


def tensors(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a file: the adapter's, and Adam's moments."""
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)


def described(path: Path) -> dict[str, Any]:
    """What a file says of itself."""
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["stlora"])


def difference(one: Path, other: Path) -> float:
    """The largest difference between the tensors of two files, of the same names."""
    first, second = tensors(one), tensors(other)
    assert first.keys() == second.keys()
    return max((first[name].double() - second[name].double()).abs().max().item() for name in first)
