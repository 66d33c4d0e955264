"""The time axis: order, interval, gaps, and the calendar features of every row."""

from datetime import datetime

import numpy as np

from stlora_ext.errors import UserError
from stlora_ext.preparation.series import Series

_MINUTE = 60_000_000  # microseconds
_DAY = 1440 * _MINUTE


def regular_times(start: np.datetime64, num_steps: int, interval: int) -> np.ndarray:
    """Return ``num_steps`` times from ``start`` on, ``interval`` minutes apart, ``datetime64[us]``."""
    return start.astype("datetime64[us]") + np.arange(num_steps) * np.timedelta64(interval, "m")


def show(time: np.datetime64) -> str:
    """Write a time down to the minute, or further where it has seconds."""
    return str(time.astype("datetime64[s]")).replace("T", " ").removesuffix(":00")


def parse_start(text: str) -> "np.datetime64[datetime]":
    """Read a time in ISO 8601.

    Raises:
        UserError: If it is none.
    """
    start: datetime | None
    try:
        start = datetime.fromisoformat(text.strip())
    except ValueError:
        start = None
    if start is None or start.tzinfo is not None:
        raise UserError(f"'{text}' is no time: expected ISO 8601 without a time zone, such as 2024-01-31T08:05")
    return np.datetime64(start, "us")


def check_interval(interval: int) -> int:
    """Return ``interval`` if a day is a whole number of such steps.

    Raises:
        UserError: If not.
    """
    if interval < 1 or 1440 % interval:
        raise UserError(f"an interval of {interval} minutes does not divide a day: expected 1, 5, 15, 30, 60, ...")
    return interval


def infer_interval(times: np.ndarray) -> int:
    """Return the commonest step between rows in minutes; rows must be in order.

    Raises:
        UserError: If rows repeat a time or go back, or the step is no whole number of minutes.
    """
    steps = np.diff(times).astype(np.int64)
    if len(steps) == 0:
        raise UserError("the data have fewer than two rows: no interval can be read from them; bring a longer series")
    wrong = np.flatnonzero(steps <= 0)
    if len(wrong):
        row = int(wrong[0]) + 1
        problem = "repeats the time" if steps[row - 1] == 0 else f"({show(times[row])}) is earlier than"
        raise UserError(
            f"row {row + 1} {problem} {show(times[row - 1])} of the row before: expected times in order, "
            "each once; sort the rows and drop repeated ones"
        )
    lengths, counts = np.unique(steps, return_counts=True)
    step = int(lengths[counts.argmax()])
    if step % _MINUTE:
        raise UserError(f"rows are {step / 1e6:g} s apart: expected whole minutes; resample the data")
    return check_interval(step // _MINUTE)


def close_gaps(series: Series, interval: int, fill: bool, known: tuple[str, str] | None = None) -> Series:
    """Return a series without gaps in time.

    Args:
        series: Rows in order.
        interval: Minutes per row.
        fill: Whether missing rows are inserted, as NaN.
        known: Times of the rows before and after a gap that stays: rows are kept contiguous.

    Raises:
        UserError: On a gap that may not be filled, or times off the grid of ``interval``.
    """
    step, times = interval * _MINUTE, series.known_times
    jumps = np.diff(times).astype(np.int64)
    if known is not None:
        before, after = (np.datetime64(time, "us") for time in known)
        kept = (times[:-1] == before) & (times[1:] == after)
        if kept.any():
            series.notes.append(
                f"no rows between {show(before)} and {show(after)} (the hour that daylight saving "
                "skips): rows kept contiguous"
            )
            jumps[kept] = step
    off = np.flatnonzero(jumps % step)
    if len(off):
        row = int(off[0]) + 1
        raise UserError(
            f"row {row + 1} ({show(times[row])}) is {jumps[row - 1] / _MINUTE:g} minutes after the "
            f"row before: expected steps of {interval} minutes; resample the data or mend the times"
        )
    gaps = np.flatnonzero(jumps != step)
    if not len(gaps):
        return series
    count = int((jumps // step - 1).sum())
    first = f"{len(gaps)} gaps in time, {count} rows missing, the first after {show(times[gaps[0]])}"
    if not fill:
        raise UserError(
            f"{first} (next row {show(times[gaps[0] + 1])}): expected a row every {interval} "
            "minutes; --fill-gaps inserts the missing rows as missing readings"
        )
    if count > len(times):
        raise UserError(
            f"{first}: more rows are missing than there are ({len(times)}); "
            "expected a continuous series; cut the data at the gaps or mend the times"
        )
    rows = np.concatenate([[0], np.cumsum(jumps // step)])
    values = np.full((rows[-1] + 1, series.values.shape[1]), np.nan, dtype=np.float32)
    values[rows] = series.values
    every = np.arange(len(values))
    last = np.searchsorted(rows, every, side="right") - 1
    series.values, series.times = values, times[last] + (every - rows[last]) * np.timedelta64(interval, "m")
    series.notes.append(f"{first}: inserted as missing")
    return series


def calendar(times: np.ndarray) -> np.ndarray:
    """Return time of day in [0, 1) and day of week (Monday 0) / 7, float32 ``[T, 2]``."""
    since_epoch = times.astype("datetime64[us]").astype(np.int64)
    features = np.empty((len(times), 2), dtype=np.float32)
    features[:, 0] = (since_epoch % _DAY) / _DAY
    features[:, 1] = (since_epoch // _DAY + 3) % 7 / 7  # 1970-01-01 was a Thursday
    return features
