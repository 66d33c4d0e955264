"""The test set's forecasts of a finished run, from its stored weights."""

import math
import shutil
import sys
from pathlib import Path

import numpy as np

from stlora_ext.config.experiment import Experiment
from stlora_ext.data.local_time import row_axis
from stlora_ext.data.plain_arrays import load_npy
from stlora_ext.data.prepared import Meta
from stlora_ext.digits import number
from stlora_ext.errors import UserError
from stlora_ext.host.runner import FORECASTS, HostRunner
from stlora_ext.runs.build import scored_on
from stlora_ext.runs.evaluation import evaluate
from stlora_ext.runs.forecast_table import forecast_table
from stlora_ext.runs.reopen import FinishedRun

TABLE = "forecasts.csv"
_REMEDY = "delete the folder {}, and give the same command again"
_WINDOWS = 64  # at a time
SAME = 0.01  # relative: other hardware moves a bfloat16 run's error by less, other weights by more


def save_forecasts(run: FinishedRun, meta: Meta, data: Path, gpus: str | None = None) -> HostRunner | None:
    """Write a finished run's forecasts beside its weights, ``test_results/*.npy``; those that are there stay.

    Nothing else of the run is changed. The caller holds the run's folder.

    Args:
        run: The run.
        meta: Its data set.
        data: Folder of the prepared data sets.
        gpus: Number of the GPU; None or "": CPU.

    Returns:
        HostRunner: What has forecast; None where forecasts were there.

    Raises:
        UserError: If the run's weights are gone, damaged or not the record's.
    """
    run_dir = run.places[0].parent if run.checkpoint is None else run.checkpoint.parent
    forecasts = run_dir / FORECASTS
    if forecasts.is_dir():
        print(
            f"{forecasts} is there already and left alone (run.py --force repeats the run and replaces it)",
            file=sys.stderr,
        )
        return None
    if run.checkpoint is None:
        raise UserError(
            f"--save-results: the weights of this finished run, {run.places[0]}, are gone: put them back, "
            "or repeat the run with --force"
        )
    unfinished = run_dir / f".{FORECASTS}.saving"  # what a killed command left goes
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        runner = evaluate(run, meta, data, gpus, unfinished)
        measured = runner.test_result["average"]["MAE"]
        recorded = run.record.scores.average["MAE"]
        if not math.isclose(measured or 0.0, recorded or 0.0, rel_tol=SAME):
            raise UserError(
                f"--save-results: {run.checkpoint} has a test MAE of {number(measured)}, its record says "
                f"{number(recorded)}: put back the run's own weights, or repeat the run with --force"
            )
        (unfinished / FORECASTS).rename(forecasts)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return runner


def save_table(run_dir: Path, exp: Experiment, meta: Meta) -> Path:
    """Write the forecasts that lie in a run's folder as a table too (``forecast_table``), and return its file.

    Args:
        run_dir: The folder.
        exp: The run's experiment.
        meta: Its data set.

    Raises:
        UserError: If the arrays are damaged or not of this data set.
    """
    meta = scored_on(exp, meta)
    folder, shape = run_dir / FORECASTS, (meta.windows["test"], meta.output_len, meta.num_nodes)
    arrays = []
    for name in ("prediction", "targets", "targets_mask"):
        path = folder / f"{name}.npy"
        try:
            arrays.append(load_npy(path, memmap=True))
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read ({error}): {_REMEDY.format(folder)}") from None
        if arrays[-1].shape != shape:
            raise UserError(f"{path} has the shape {arrays[-1].shape}, expected {shape}: {_REMEDY.format(folder)}")
    prediction, targets, mask = arrays
    first = meta.windows["train"] + meta.windows["val"]
    times = row_axis(meta, np.arange(first, meta.num_steps))
    with forecast_table(folder / TABLE, meta.sensor_ids, np.asarray(times.astype(str))) as add:
        for begin in range(0, len(prediction), _WINDOWS):
            part = slice(begin, begin + _WINDOWS)
            made = np.arange(begin, begin + len(prediction[part])) + meta.input_len - 1
            add(made, prediction[part], np.where(mask[part] > 0, targets[part], np.nan))
    return folder / TABLE


def drop_forecasts(run_dir: Path) -> None:
    """Remove the forecasts of weights that a repeated run has replaced."""
    shutil.rmtree(run_dir / FORECASTS, ignore_errors=True)
