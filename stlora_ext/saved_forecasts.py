"""The test set's forecasts of a finished run, from its stored weights."""

import math
import shutil
import sys
from pathlib import Path
from typing import Any, Optional

from stlora_ext.data.prepared import Meta, load_split
from stlora_ext.errors import UserError
from stlora_ext.host.launcher import launch_evaluation
from stlora_ext.host.runner import FORECASTS, HostRunner
from stlora_ext.lora.runner import STLoRARunner
from stlora_ext.reopen import FinishedRun, find_run, read_checkpoint
from stlora_ext.resolve import build_model, host_config

SAME = 0.01  # relative: other hardware moves a bfloat16 run's error by less, other weights by more


def evaluate_run(run: FinishedRun, meta: Meta, data: Path, gpus: Optional[str], folder: Path,
                 save_results: bool = False) -> dict[str, Any]:
    """Evaluate a run's checkpoint on the test split by the run's own runner.

    Args:
        run: The run; its checkpoint is there.
        meta: Its data set.
        data: Folder of the prepared data sets.
        gpus: Number of the GPU; None or "": CPU.
        folder: Receives all that is written.
        save_results: Whether to write the forecasts into it, ``[windows, steps, nodes]`` in original units.

    Returns:
        dict: The figures, as ``MetricSums.result`` returns them.

    Raises:
        UserError: If checkpoint or data are damaged or not the run's.
    """
    read_checkpoint(run, meta, data)
    load_split(data, meta, "test", memmap=True)
    build_model(run.exp, meta, data)
    cfg = host_config(run.exp, meta, data, run.key.seed, gpus, folder, save_results)
    return launch_evaluation(cfg, str(run.checkpoint),
                             HostRunner if run.exp.adapter is None else STLoRARunner).test_result


def save_forecasts(record_path: Path, meta: Meta, data: Path, gpus: Optional[str] = None) -> None:
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
        print(f"{forecasts} is there already and left alone (--force repeats the run and replaces it)",
              file=sys.stderr)
        return
    run = find_run(record_path, record_path.parents[2])
    if run.checkpoint is None:
        raise UserError(f"--save-results: the weights of this finished run, {run.places[0]}, are gone: put them back, "
                        "or repeat the run with --force")
    unfinished = run_dir / f".{FORECASTS}.saving"  # what a killed command left goes
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        measured = evaluate_run(run, meta, data, gpus, unfinished, save_results=True)["average"]["MAE"]
        recorded = run.record["test"]["average"]["MAE"]
        if not math.isclose(measured, recorded, rel_tol=SAME):
            raise UserError(f"--save-results: {run.checkpoint} has a test MAE of {measured:.4g}, its record says "
                            f"{recorded:.4g}: put back the run's own weights, or repeat the run with --force")
        (unfinished / FORECASTS).rename(forecasts)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def drop_forecasts(run_dir: Path) -> None:
    """Remove the forecasts of weights that a repeated run has replaced."""
    shutil.rmtree(run_dir / FORECASTS, ignore_errors=True)
