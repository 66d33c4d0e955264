"""Finished runs of small models on a network of two simulated days, made once for the tests that open them again."""

import functools
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from stlora_ext.config.experiment import Experiment, experiment
from stlora_ext.data.available import open_dataset
from stlora_ext.data.prepared import Meta, load_split
from stlora_ext.host.devices import use_device
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.run import train_run
from tests.support.commands import run, succeeded
from tests.support.small import SMALL

WINDOW = 12  # of the test set: forecasts are compared in it; it lacks readings
SHORT = {"num_epochs": 1, "batch_size": 256}


@functools.cache
def folder() -> Path:
    """A temporary folder that holds the data set QUICK and the runs on it."""
    root = Path(tempfile.mkdtemp())
    succeeded(run("datasets/simulate.py", "QUICK", "--nodes", 5, "--days", 2, "--seed", 1, "--data", root / "data"))
    return root


def data() -> Path:
    """The folder of the data set."""
    return folder() / "data"


def results() -> Path:
    """The folder of the runs."""
    return folder() / "results"


def quick_meta() -> Meta:
    """The description of QUICK."""
    return open_dataset("QUICK", data())


def quick(model: str, **settings) -> Experiment:
    """An experiment of an epoch of a few steps."""
    return experiment("QUICK", model, model_settings=SMALL.get(model.removesuffix("+"), {}), **{**SHORT, **settings})


@functools.cache
def finished(model: str, protocol: str = "", arm: str = "", seed: int = 0, times: bool = False) -> Path:
    """Return the record of a finished run; its folder holds the test's forecasts. ``times``: the adapter sees them."""
    exp = quick(model, adapter={"time_of_day": True, "day_of_week": True} if times else None)
    exp = exp.with_protocol(protocol) if protocol else exp
    exp = exp.with_arm(arm) if arm else exp
    use_device("")
    record, _ = train_run(
        exp,
        quick_meta(),
        None if exp.run_seeds == (None,) else seed,
        RunOptions(data(), results(), save_results=True, train_backbone=True),
    )
    return record.key.record_path(results())


def runner_forecast(record: Path) -> np.ndarray:
    """The runner's forecast of the window that ``recent`` holds, original units ``[output_len, N]``."""
    return np.load(record.with_suffix("") / "test_results" / "prediction.npy")[WINDOW]


def recent(earlier: int = 0, window: int = WINDOW) -> pd.DataFrame:
    """The readings of a window as a user has them: by time, with ``earlier`` rows before it."""
    meta = quick_meta()
    values, _ = load_split(data(), meta, "test")
    first = meta.windows["train"] + meta.windows["val"] + window
    times = pd.Timestamp(meta.start) + pd.to_timedelta(
        np.arange(first - earlier, first + meta.input_len) * meta.interval, unit="min"
    )
    rows = values[window - earlier : window + meta.input_len]
    return pd.DataFrame(rows, pd.Index(times, name="when"), meta.sensor_ids)


def rewrite(path, change):
    """Let ``change`` edit the content of a JSON file."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def halve(path):
    """Cut a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
