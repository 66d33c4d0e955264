"""The ridge of a fit of new sensors' rows, chosen on known sensors: a new sensor gives nothing but its readings."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from stlora_ext.lora.fit_rows import Readings, fit_rows, mean_rows, with_rows
from stlora_ext.lora.predictor import Predictor
from stlora_ext.lora.settings import STLoRAConfig

RIDGES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
TRIED = 32  # known sensors at most on which the ridge is chosen
_WINDOWS = 512  # that are corrected at once


@dataclass(frozen=True)
class Choice:
    """A ridge, and what it is worth on known sensors.

    Attributes:
        ridge: The ridge; None where nothing is fitted.
        error: MAE of the known sensors set aside in turn, normalised; None where there is none.
    """

    ridge: float | None = None
    error: float | None = None


def spacing(output_len: int) -> int:
    """Return every how many-th window is enough to choose a ridge on: those between hold the same targets."""
    return max(1, output_len // 4)


def choose_ridge(
    known: Predictor, config: STLoRAConfig, fitted: Readings, compared: Readings, tried: Sequence[int], iterations: int
) -> Choice:
    """Choose the ridge on known sensors set aside in turn: each is fitted as if the others alone were known.

    Args:
        known: The trained predictor.
        config: Its settings.
        fitted: Readings of the sensors ``tried`` that their rows are fitted on; without any, theirs is the mean row.
        compared: Their readings that the ridges are compared on.
        tried: Known sensors, as nodes.
        iterations: Of L-BFGS.

    Returns:
        Choice: The one of ``RIDGES`` with the least error.
    """
    start = mean_rows(known, tried)
    if not len(fitted.inputs):
        return Choice(None, _error(with_rows(known, config, start, len(tried)), config.x, compared))
    errors = {}
    for ridge in RIDGES:
        rows = fit_rows(known, config, fitted, ridge, iterations, start)
        errors[ridge] = _error(with_rows(known, config, rows, len(tried)), config.x, compared)
    best = min(RIDGES, key=lambda ridge: errors[ridge])
    return Choice(best, errors[best])


@torch.no_grad()
def _error(predictor: Predictor, x: str, readings: Readings) -> float:
    """Return the MAE of corrected forecasts, normalised."""
    total = 0.0
    for first in range(0, len(readings.inputs), _WINDOWS):
        part = readings.rows(slice(first, first + _WINDOWS))
        error = part.forecasts + predictor(part.seen(x), part.stamps) - part.targets
        total += float((error.abs() * part.mask).sum(dtype=torch.float64))
    return total / max(1, int(readings.mask.sum()))
