"""Folders that BasicTS prepared: 0.5.8 (data.dat, desc.json) and 1.1.0 (splits and meta.json), stock or ours."""

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from stlora_ext.data.local_time import row_axis
from stlora_ext.data.prepared import DAY, SPLITS, load_meta, load_split
from stlora_ext.errors import UserError
from stlora_ext.preparation.arrays import open_npy, pick_channel
from stlora_ext.preparation.series import Series, in_float32, to_float32

NOMINAL_MONDAY = np.datetime64("2024-01-01", "us")
_CALENDAR = ("time of day", "day of week", "day of month", "day of year", "time_of_day", "day_of_week")
_SECOND = np.timedelta64(1, "s")


def graph_beside(folder: Path) -> Path | None:
    """Return the graph file that such a folder holds."""
    return next((folder / name for name in ("graph.npz", "adj_mx.pkl") if (folder / name).is_file()), None)


def read_basicts(folder: Path, channel: str | None) -> Series:
    """Read a prepared folder of any of the three kinds.

    Raises:
        UserError: If it is none of them or damaged.
    """
    old, new = folder / "desc.json", folder / "meta.json"
    if not old.is_file() and not new.is_file():
        raise UserError(
            f"{folder} holds neither desc.json (BasicTS 0.5.8) nor meta.json (1.1.0): "
            "expected a prepared BasicTS folder, or give --raw a file"
        )
    try:
        if old.is_file():
            return _read_058(folder, _read_json(old), channel)
        meta = _read_json(new)
        return _read_ours(folder.resolve()) if "stlora" in meta else _read_110(folder, meta, channel)
    except UserError:
        raise
    except (OSError, KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise UserError(
            f"{folder} is damaged ({type(error).__name__}: {error}): expected data.dat and desc.json of "
            "BasicTS 0.5.8, or the splits and meta.json of 1.1.0; make the folder again"
        ) from None


def _read_json(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no description: expected a JSON object")
    return content


def _null_val(settings: Any, key: str) -> float | None:
    value = settings.get(key, math.nan) if isinstance(settings, dict) else math.nan
    number = math.nan if value is None else float(value)
    if not in_float32(number):
        raise ValueError(f"{key} is {value}")
    return number


def _read_058(folder: Path, desc: dict[str, Any], channel: str | None) -> Series:
    shape = tuple(int(size) for size in desc["shape"])
    content = np.memmap(folder / "data.dat", dtype=np.float32, mode="r", shape=shape)
    if content.size * 4 != (folder / "data.dat").stat().st_size or content.ndim != 3:
        raise UserError(
            f"{folder / 'data.dat'} has {(folder / 'data.dat').stat().st_size} bytes, desc.json promises "
            f"float32 {shape}: expected one shape [time, sensor, channel]; make the folder again"
        )
    names = [str(name).lower() for name in desc.get("feature_description", [])]
    named = names if len(names) == shape[2] else None
    readings = [name for name in named or [] if name not in _CALENDAR]
    chosen = "0" if channel is None and len(readings) <= 1 else channel  # the others are calendar features
    values, notes = pick_channel(content, chosen, "data.dat", named)
    series = Series(
        values,
        interval=round(60 * desc["frequency (minutes)"]),
        null_val=_null_val(desc.get("regular_settings"), "NULL_VAL"),
        notes=notes if len(readings) != 1 else [],
    )
    if "time of day" in names and "day of week" in names and len(names) == shape[2]:
        _set_calendar(series, content[:, 0, names.index("time of day")], content[:, 0, names.index("day of week")])
    return series


def _read_110(folder: Path, meta: dict[str, Any], channel: str | None) -> Series:
    values = np.concatenate(
        [pick_channel(open_npy(folder / f"{split}_data.npy"), channel, f"{split}_data.npy")[0] for split in SPLITS]
    )
    interval = meta.get("frequency (minutes)")
    series = Series(
        values,
        interval=None if interval is None else round(60 * interval),
        null_val=_null_val(meta.get("regular_settings"), "null_val"),
    )
    names = [str(name).lower() for name in meta.get("timestamps_description", [])]
    if "time of day" in names and "day of week" in names:
        stamps = np.concatenate([open_npy(folder / f"{split}_timestamps.npy") for split in SPLITS])
        if stamps.shape != (len(values), len(names)):
            raise UserError(
                f"{folder}: the timestamps have shape {stamps.shape}: expected ({len(values)}, "
                f"{len(names)}), a row per row of data and a column per name in meta.json"
            )
        _set_calendar(series, stamps[:, names.index("time of day")], stamps[:, names.index("day of week")])
    return series


def _read_ours(folder: Path) -> Series:
    meta = load_meta(folder.parent, folder.name)
    overlap = meta.input_len + meta.output_len - 1
    splits = [load_split(folder.parent, meta, split) for split in SPLITS]
    values, stamps = (
        np.concatenate([split[part][overlap if index else 0 :] for index, split in enumerate(splits)])
        for part in (0, 1)
    )
    series = Series(
        to_float32(values, folder.name),
        interval=meta.interval_seconds,
        null_val=_null_val({"null_val": meta.null_val}, "null_val"),
        sensor_ids=meta.sensor_ids,
    )
    series.timezone = meta.timezone
    series.wall = meta.timezone is not None and datetime.fromisoformat(meta.start).tzinfo is None
    if meta.timezone is not None or meta.interval_seconds >= DAY:
        axis = row_axis(meta, range(len(values)))
        series.times = (axis if axis.tz is None else axis.tz_convert("UTC").tz_localize(None)).to_numpy()
        return series
    _set_calendar(series, stamps[:, 0], stamps[:, 1])
    series.times = series.known_times + (np.datetime64(meta.start, "us") - series.known_times[0])
    series.nominal = False
    series.notes.clear()
    return series


def _set_calendar(series: Series, time_of_day: np.ndarray, day_of_week: np.ndarray) -> None:
    """Give rows times with the weekday and time of day that the features state; the date is nominal."""
    with np.errstate(invalid="ignore"):  # damaged bytes may be NaN of a kind that warns
        within = ((time_of_day.astype(np.float64) + np.round(day_of_week.astype(np.float64) * 7)) * DAY).round()
    if len(within) < 2 or not np.isfinite(within).all() or within.min() < 0 or within.max() >= 7 * DAY:
        series.notes.append("the calendar features are not shares of a day and of a week: not used")
        return
    elapsed = np.concatenate([[0], np.cumsum(np.diff(within).astype(np.int64) % (7 * DAY))])
    series.times = NOMINAL_MONDAY + (int(within[0]) + elapsed) * _SECOND
    series.nominal = True
    series.notes.append("weekday and time of day come from the folder's calendar features, which hold no date")
