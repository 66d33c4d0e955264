"""The rows of new sensors in service, fitted on what a file holds of them.

Sensors with about as many readings are fitted together (their windows fall between the same powers of 2), for one
ridge suits one length. It is chosen on known sensors in the same rows, fitted on all of them and compared on as many
before; where the file holds few before, the last fifth of these rows is kept for the comparison.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from stlora_ext.config.new_sensors import NewSensorsSettings
from stlora_ext.data.prepared import missing
from stlora_ext.data.windows import WindowBatches
from stlora_ext.host.randomness import derive_seed
from stlora_ext.host.scaler import GlobalZScoreScaler
from stlora_ext.host.splits import place_split
from stlora_ext.lora.fit_rows import Readings, fit_rows, mean_rows
from stlora_ext.lora.model import STLoRA
from stlora_ext.lora.ridge import RIDGES, TRIED, choose_ridge, spacing
from stlora_ext.runs.window_readings import window_readings

_BATCH = 256  # windows that the backbone forecasts at once
_CELLS = 2**15  # sensors times windows at most that are fitted at once, some 32 MiB
_ITERATIONS = NewSensorsSettings().iterations


@dataclass(frozen=True)
class Fit:
    """A fit of some new sensors.

    Attributes:
        sensors: Their numbers among the new ones.
        windows: The most windows that one of them has; 0: none has one, and their rows are the mean.
        ridge: The ridge; None without a window.
    """

    sensors: Sequence[int]
    windows: int
    ridge: float | None


@dataclass(frozen=True)
class Rows:
    """Readings of known and new sensors, and what they are forecast with.

    Attributes:
        model: The known sensors' model, in eval mode.
        scaler: Its normalisation.
        values: Readings ``[rows, known + new]`` in original units, NaN where missing.
        stamps: Time of day and day of week ``[rows, 2]``.
        bf16: Whether the backbone was trained under bfloat16 autocast.
    """

    model: STLoRA
    scaler: GlobalZScoreScaler
    values: np.ndarray
    stamps: np.ndarray
    bf16: bool = False

    @property
    def length(self) -> int:
        """Rows of a window."""
        return self.model.config.input_len + self.model.config.output_len

    def readings(self, columns: Sequence[int], rows: slice, step: int = 1) -> Readings:
        """Return every ``step``-th window of some sensors within some rows, which hold one."""
        config, scaler = self.model.config, self.scaler
        device = next(self.model.adapter.parameters()).device
        values = np.ascontiguousarray(self.values[rows, columns])
        with tempfile.TemporaryDirectory() as folder:
            split = place_split(values, self.stamps[rows], scaler, scaler.null_val, device, Path(folder))
        batches = WindowBatches(
            split, config.input_len, config.output_len, _BATCH, lambda count: torch.arange(0, count, step), device
        )
        return window_readings(self.model.backbone, scaler, batches, self.bf16)


def fit_new_rows(rows: Rows, seed: int) -> tuple[list[torch.Tensor], list[Fit]]:
    """Fit the rows of the new sensors; everything else stays as it is.

    Args:
        rows: What the file holds.
        seed: Draws the known sensors that the ridge is chosen on.

    Returns:
        tuple: For each layer the rows ``[new, ...]``, float64; and the fits, the shortest first. A sensor without a
        window has the mean row. Both are empty where the adapter has no weights per sensor.
    """
    known, config = rows.model.adapter, rows.model.config
    num_known = rows.model.num_nodes
    num_new = rows.values.shape[1] - num_known
    fitted = [mean.expand(num_new, *mean.shape).clone() for mean in mean_rows(known)]
    fits = []
    first, windows = _windows(rows, num_known)
    for group in _groups(windows) if fitted else []:
        ridge = None
        if windows[group[0]]:
            begin = int(first[group].min())
            ridge = _ridge(rows, begin, seed)
            at_once = max(1, _CELLS // (len(rows.values) - begin))
            for part in (group[at:][:at_once] for at in range(0, len(group), at_once)):
                readings = rows.readings([num_known + sensor for sensor in part], slice(begin, None))
                for place, sensor in enumerate(part):
                    readings.mask[: first[sensor] - begin, :, place] = False  # their inputs begin too early
                for whole, own in zip(fitted, fit_rows(known, config, readings, ridge, _ITERATIONS), strict=True):
                    whole[part] = own.to(whole)
        fits.append(Fit(group, int(windows[group].max()), ridge))
    return fitted, fits


def _windows(rows: Rows, num_known: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each new sensor the row of its first reading, and its windows from there on that have a target."""
    there = ~missing(rows.values[:, num_known:], rows.scaler.null_val)
    first = np.where(there.any(axis=0), there.argmax(axis=0), len(there))
    count = max(0, len(there) - rows.length + 1)
    before = np.concatenate([np.zeros((1, there.shape[1]), int), there.cumsum(axis=0)])
    target = before[rows.length :][:count] > before[rows.model.config.input_len :][:count]
    target &= np.arange(count)[:, None] >= first
    return first, target.sum(axis=0)


def _groups(windows: np.ndarray) -> list[list[int]]:
    """Return the sensors in groups of about as many windows, the fewest first; those without any are a group."""
    groups: dict[int, list[int]] = {}
    for sensor, count in enumerate(windows):
        groups.setdefault(int(count).bit_length(), []).append(sensor)
    return [groups[length] for length in sorted(groups)]


def _ridge(rows: Rows, begin: int, seed: int) -> float:
    """Choose the ridge for sensors with readings from a row on; the strongest where nothing can be compared."""
    model, end = rows.model, len(rows.values)
    input_len, output_len = model.config.input_len, model.config.output_len
    count = end - begin - rows.length + 1
    earlier, kept = min(count, begin - rows.length + 1), 4 * count // 5
    splits = []  # rows to fit on, rows to compare on
    if 4 * earlier >= count:
        splits.append((slice(begin, end), slice(begin - rows.length + 1 - earlier, begin)))
    if kept >= output_len:  # targets of the one end before those of the other begin
        splits.append((slice(begin, begin + kept + input_len), slice(begin + kept, end)))
    order = np.random.default_rng(derive_seed(seed, "ridge")).permutation(model.num_nodes)
    tried = sorted(int(node) for node in order[: min(TRIED, max(1, 4 * _CELLS // count))])
    step = spacing(output_len)
    for split in splits if model.num_nodes > 1 else []:
        fitted, compared = (rows.readings(tried, part, step) for part in split)
        if fitted.mask.any() and compared.mask.any():
            return choose_ridge(model.adapter, model.config, fitted, compared, tried, _ITERATIONS).ridge or RIDGES[-1]
    return RIDGES[-1]
