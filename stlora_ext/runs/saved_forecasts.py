"""The test set's forecasts of a finished run, from its stored weights."""

import math
import shutil
import sys
from pathlib import Path

from stlora_ext.data.prepared import Meta
from stlora_ext.digits import number
from stlora_ext.errors import UserError
from stlora_ext.host.runner import FORECASTS
from stlora_ext.runs.evaluation import evaluate
from stlora_ext.runs.reopen import find_run

SAME = 0.01  # relative: other hardware moves a bfloat16 run's error by less, other weights by more


def save_forecasts(record_path: Path, meta: Meta, data: Path, gpus: str | None = None) -> None:
    """Write a finished run's forecasts into its folder, ``test_results/*.npy``; those that are there stay.

    Nothing else of the run is changed. The caller holds the run's folder.

    Args:
        record_path: The run's record; its folder is beside it.
        meta: Its data set.
        data: Folder of the prepared data sets.
        gpus: Number of the GPU; None or "": CPU.

    Raises:
        UserError: If the run's weights are gone, damaged or not the record's.
    """
    run_dir = record_path.with_suffix("")
    forecasts = run_dir / FORECASTS
    if forecasts.is_dir():
        print(f"{forecasts} is there already and left alone (--force repeats the run and replaces it)", file=sys.stderr)
        return
    run = find_run(record_path, record_path.parents[2])
    if run.checkpoint is None:
        raise UserError(
            f"--save-results: the weights of this finished run, {run.places[0]}, are gone: put them back, "
            "or repeat the run with --force"
        )
    unfinished = run_dir / f".{FORECASTS}.saving"  # what a killed command left goes
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        measured = evaluate(run, meta, data, gpus, unfinished).test_result["average"]["MAE"]
        recorded = run.record.scores.average["MAE"]
        if not math.isclose(measured or 0.0, recorded or 0.0, rel_tol=SAME):
            raise UserError(
                f"--save-results: {run.checkpoint} has a test MAE of {number(measured)}, its record says "
                f"{number(recorded)}: put back the run's own weights, or repeat the run with --force"
            )
        (unfinished / FORECASTS).rename(forecasts)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def drop_forecasts(run_dir: Path) -> None:
    """Remove the forecasts of weights that a repeated run has replaced."""
    shutil.rmtree(run_dir / FORECASTS, ignore_errors=True)
