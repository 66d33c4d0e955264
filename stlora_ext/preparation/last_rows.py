"""The last rows of a file of readings, none of them missing in time: what an update of a model in service reads."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stlora_ext.data.local_time import row_axis
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.horizons import in_words
from stlora_ext.preparation.options import ReadingOptions
from stlora_ext.preparation.recent import axis, check_finite, read_series
from stlora_ext.preparation.series import Series
from stlora_ext.preparation.timeline import close_gaps, show

if TYPE_CHECKING:
    import pandas as pd


def read_last_rows(
    path: Path,
    meta: Meta,
    rows: int,
    why: str,
    options: ReadingOptions | None = None,
    fill_gaps: bool = False,
    remedy: str = "",
) -> "tuple[np.ndarray, pd.DatetimeIndex]":
    """Read the last rows of a file, back to the data set's first one at most.

    Args:
        path: As of ``read_recent``.
        meta: As there.
        rows: How many.
        why: What they are read for, for messages.
        options: As of ``read_recent``.
        fill_gaps: Whether rows that are missing in time are inserted as missing readings.
        remedy: What to do about a sensor that isn't the data set's, for the message.

    Returns:
        tuple: Readings ``[rows, N]`` as of ``read_recent``, and their times.

    Raises:
        UserError: As ``read_recent``; if the file begins too late; or if a row is missing in time and isn't to be
            inserted, with the first time that is missing.
    """
    series = read_series(path, meta, options, remedy=remedy)
    times, zone = series.known_times, series.absolute_zone
    if not len(times):
        raise UserError(f"{path.name} holds no rows: expected the last {rows} rows, {why}")
    step = np.timedelta64(meta.interval_seconds, "s")
    wanted = _first(times[-1], rows, meta, step)
    if times[0] > wanted:
        raise UserError(
            f"{path.name} begins at {show(times[0], zone)}, {show(wanted, zone)} is missing: expected "
            f"{_count(times[-1] - wanted, step)} rows up to {show(times[-1], zone)}, {why}; bring the earlier readings "
            "too"
        )
    begin = int(np.searchsorted(times, wanted, side="right")) - 1
    series = replace(series, values=series.values[begin:], times=times[begin:], interval=meta.interval_seconds)
    check_finite(series.values, meta, path.name, begin)
    if not fill_gaps:
        _refuse_gap(series, wanted, step, path.name)
    series = close_gaps(series, meta.interval_seconds, fill_gaps)
    count = min(_count(times[-1] - wanted, step), len(series.values))
    series.values, series.times = series.values[-count:], series.known_times[-count:]
    return series.values, axis(series, meta, series.known_times[0], count)


def _first(last: np.datetime64, rows: int, meta: Meta, step: np.timedelta64) -> np.datetime64:
    """Return the time of the first row that is wanted: earlier than the data set's first one only if all rows are."""
    start = row_axis(meta, [0])
    begin = (start if start.tz is None else start.tz_convert("UTC").tz_localize(None)).to_numpy()[0]
    first = last - (rows - 1) * step
    return last - (last - begin) // step * step if first < begin <= last else first


def _count(span: np.timedelta64, step: np.timedelta64) -> int:
    return int(span // step) + 1


def _refuse_gap(series: Series, wanted: np.datetime64, step: np.timedelta64, origin: str) -> None:
    """Refuse a row that is missing in time; steps that aren't whole are left to ``close_gaps``."""
    times, zone = series.known_times, series.absolute_zone
    jumps = np.diff(times)
    gaps = np.flatnonzero(jumps > step)
    if not len(gaps) or (jumps % step).astype(np.int64).any():
        return
    first = max(times[gaps[0]] + step, wanted)
    raise UserError(
        f"{origin}: {show(first, zone)} is missing, the next row is {show(times[gaps[0] + 1], zone)}: expected a row "
        f"every {in_words(int(step / np.timedelta64(1, 's')))}; --fill-gaps inserts the missing rows as missing "
        "readings"
    )
