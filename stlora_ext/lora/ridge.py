"""The ridge of a fit of new sensors' rows, chosen on known sensors: a new sensor gives nothing but its readings."""

from collections.abc import Sequence

import torch

from stlora_ext.lora.fit_rows import Readings, fit_rows, mean_rows, with_rows
from stlora_ext.lora.predictor import Predictor
from stlora_ext.lora.settings import STLoRAConfig

RIDGES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
TRIED = 32  # known sensors at most on which the ridge is chosen
_WINDOWS = 512  # that are corrected at once


def choose_ridge(
    known: Predictor, config: STLoRAConfig, fitted: Readings, compared: Readings, tried: Sequence[int], iterations: int
) -> float:
    """Choose the ridge on known sensors set aside in turn: each is fitted as if the others alone were known.

    Args:
        known: The trained predictor.
        config: Its settings.
        fitted: Readings of the sensors ``tried`` that their rows are fitted on.
        compared: Their readings that the ridges are compared on.
        tried: Known sensors, as nodes.
        iterations: Of L-BFGS.

    Returns:
        float: The one of ``RIDGES`` with the least error.
    """
    start = mean_rows(known, tried)
    errors = {}
    for ridge in RIDGES:
        rows = fit_rows(known, config, fitted, ridge, iterations, start)
        errors[ridge] = _error(with_rows(known, config, rows, len(tried)), config.x, compared)
    return min(RIDGES, key=lambda ridge: errors[ridge])


@torch.no_grad()
def _error(predictor: Predictor, x: str, readings: Readings) -> float:
    """Return the MAE of corrected forecasts, normalised."""
    total = 0.0
    for first in range(0, len(readings.inputs), _WINDOWS):
        part = readings.rows(slice(first, first + _WINDOWS))
        error = part.forecasts + predictor(part.seen(x), part.stamps) - part.targets
        total += float((error.abs() * part.mask).sum(dtype=torch.float64))
    return total / max(1, int(readings.mask.sum()))
