"""Forecasts from every row of a series: written as a table, or measured against the readings that followed."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from stlora_ext.data.windows import WindowBatches
from stlora_ext.errors import UserError
from stlora_ext.host.metrics import MetricSums
from stlora_ext.host.progress import Progress
from stlora_ext.host.splits import place_split
from stlora_ext.preparation.recent import stamps
from stlora_ext.runs.forecast import device_of, forecast_batch
from stlora_ext.runs.forecast_table import forecast_table
from stlora_ext.runs.loaded import LoadedRun
from stlora_ext.runs.record import Scores

if TYPE_CHECKING:
    import pandas as pd


class Rolled(NamedTuple):
    """What ``write_forecasts`` has written.

    Attributes:
        made: How many forecasts.
        left_out: How many windows hold no reading, of which none was made.
    """

    made: int
    left_out: int


def write_forecasts(run: LoadedRun, values: np.ndarray, times: "pd.DatetimeIndex", output: Path) -> Rolled:
    """Forecast from every row that ends a window, also from the last, into a table (``forecast_table``).

    Args:
        run: The model.
        values: Readings ``[rows, N]``, a row per step, NaN where missing.
        times: Those of the rows and of the ``output_len`` steps after them.
        output: The file; it is whole or not there.

    Raises:
        UserError: If no window holds a reading, or the model forecasts NaN or infinity.
    """
    ahead, labels = run.meta.output_len, np.asarray(times.astype(str))
    padded = np.concatenate([values, np.full((ahead, values.shape[1]), np.nan, dtype=np.float32)])
    end, written, windows = run.meta.input_len - 1, 0, 0
    with forecast_table(output, run.sensors, labels) as add:
        for batch, prediction in _forecasts(run, padded, times):
            known = batch["inputs_mask"].flatten(1).any(dim=1)
            made = end + windows + np.flatnonzero(known.cpu().numpy())
            readings = batch["targets"].masked_fill(~batch["targets_mask"], torch.nan)
            _refuse_no_numbers(prediction[known], run, labels[made])
            add(made, prediction[known].cpu().numpy(), readings[known].cpu().numpy())
            written, windows = written + len(made), windows + len(known)
        if not written:
            raise UserError(
                "the readings hold none at all, every value is missing: expected some; bring rows with readings"
            )
    return Rolled(written, windows - written)


def measure(run: LoadedRun, values: np.ndarray, times: "pd.DatetimeIndex") -> Scores:
    """Measure the forecasts of every window of a series as those of a test set are measured.

    Args:
        run: The model.
        values: As of ``write_forecasts``.
        times: Those of the rows, or more.

    Raises:
        UserError: If there is nothing to compare with, or the model forecasts NaN or infinity.
    """
    sums = MetricSums(run.meta.output_len, run.meta.num_nodes, device_of(run.model))
    for batch, prediction in _forecasts(run, values, times):
        sums.update(prediction, batch["targets"], batch["targets_mask"])
    if sums.average()["MAE"] is None:
        raise UserError("there is no reading to compare a forecast with, every value is missing: bring some readings")
    if not sums.finite():
        raise UserError(f"{run.title} forecasts NaN or infinity from these readings: look for extreme values in them")
    return Scores.of(sums.result())


def _forecasts(
    run: LoadedRun, values: np.ndarray, times: "pd.DatetimeIndex"
) -> Iterator[tuple[dict[str, torch.Tensor], torch.Tensor]]:
    """Yield the windows of a series in batches, those of a test, each with its forecast in original units."""
    meta, device = run.meta, device_of(run.model)
    calendar = stamps(times[: len(values)], meta)
    split = place_split(values, calendar, run.scaler, meta.null_val, device, Path(tempfile.gettempdir()))
    batches = WindowBatches(split, meta.input_len, meta.output_len, run.exp.training.eval_batch_size, device=device)
    for batch in Progress(run.title).over(batches, "forecasts", len(batches)):
        yield batch, forecast_batch(run.model, run.scaler, batch, run.exp.training.bf16)


def _refuse_no_numbers(prediction: torch.Tensor, run: LoadedRun, made: np.ndarray) -> None:
    wrong = ~torch.isfinite(prediction).flatten(1).all(dim=1)
    if wrong.any():
        first = made[int(wrong.nonzero()[0])]
        raise UserError(
            f"{run.title} forecasts NaN or infinity from the readings up to {first}: look for extreme values in the "
            f"{run.meta.input_len} rows up to there"
        )
