"""The time axis: order, interval, gaps, and the calendar features of every row."""

import re
from datetime import datetime

import numpy as np

from stlora_ext.data.local_time import to_local
from stlora_ext.data.prepared import DAY, LONGEST, fits_a_day
from stlora_ext.errors import UserError
from stlora_ext.horizons import in_words
from stlora_ext.preparation.series import Series

_SECOND = 1_000_000  # microseconds
_UNITS = {"s": 1, "min": 60, "h": 3600, "d": DAY, "w": 7 * DAY}


def regular_times(start: np.datetime64, num_steps: int, interval: int) -> np.ndarray:
    """Return ``num_steps`` times from ``start`` on, ``interval`` seconds apart, ``datetime64[us]``."""
    return start.astype("datetime64[us]") + np.arange(num_steps) * np.timedelta64(interval, "s")


def show(time: np.datetime64, timezone: str | None = None) -> str:
    """Write a time down to the minute, or further where it has seconds; UTC as local time with its offset."""
    local = to_local(np.array([time]), timezone)[0]
    text = str(local.astype("datetime64[s]")).replace("T", " ").removesuffix(":00")
    if timezone is None:
        return text
    minutes = int((local - time) / np.timedelta64(1, "m"))
    return f"{text}{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


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


def parse_interval(text: str) -> int:
    """Read the length of a step in seconds: minutes, or a number with its unit as 30s, 15min, 2h, 1d, 1w.

    Raises:
        UserError: If it is none, or doesn't fit a day.
    """
    match = re.fullmatch(r"(\d{1,6})\s*(s|min|h|d|w)?", text.strip())
    if match is None or int(match[1]) == 0:
        raise UserError(
            f"--interval {text}: expected minutes, such as 15, or a number with its unit: 30s, 15min, 1h, 1d"
        )
    return check_interval(int(match[1]) * _UNITS[match[2] or "min"])


def check_interval(interval: int) -> int:
    """Return ``interval``, seconds, if a day is a whole number of such steps, or the step a whole number of days.

    Raises:
        UserError: If not.
    """
    if not fits_a_day(interval):
        raise UserError(
            f"an interval of {in_words(interval)} does not divide a day: expected 1, 5, 15, 30, 60 minutes, other "
            "parts of a day down to a second, or whole days; resample the data"
        )
    if interval > 60 * LONGEST:
        raise UserError(f"an interval of {in_words(interval)}: expected at most a year; mend the times")
    return interval


def infer_interval(times: np.ndarray, timezone: str | None = None) -> int:
    """Return the commonest step between rows in seconds; rows must be in order.

    Args:
        times: ``datetime64[us]`` ``[T]``.
        timezone: Where clocks show local time, if ``times`` are UTC; for messages.

    Raises:
        UserError: If rows repeat a time or go back, or the step is no whole number of seconds, or fits no day.
    """
    steps = np.diff(times).astype(np.int64)
    if len(steps) == 0:
        raise UserError("the data have fewer than two rows: no interval can be read from them; bring a longer series")
    wrong = np.flatnonzero(steps <= 0)
    if len(wrong):
        row = int(wrong[0]) + 1
        problem = "repeats the time" if steps[row - 1] == 0 else f"({show(times[row], timezone)}) is earlier than"
        raise UserError(
            f"row {row + 1} {problem} {show(times[row - 1], timezone)} of the row before: expected times in order, "
            "each once; sort the rows and drop repeated ones; --timezone NAME reads an hour that its clock shows "
            "twice, --sensor-column NAME --value-column NAME a table with a row per reading"
        )
    lengths, counts = np.unique(steps, return_counts=True)
    step = int(lengths[counts.argmax()])
    if step % _SECOND:
        raise UserError(f"rows are {step / 1e6:g} s apart: expected whole seconds; resample the data")
    return check_interval(step // _SECOND)


def close_gaps(series: Series, interval: int, fill: bool, known: tuple[str, str] | None = None) -> Series:
    """Return a series without gaps in time.

    Args:
        series: Rows in order.
        interval: Seconds per row.
        fill: Whether missing rows are inserted, as NaN.
        known: Times of the rows before and after a gap that stays: rows are kept contiguous.

    Raises:
        UserError: On a gap that may not be filled, or times off the grid of ``interval``.
    """
    step, times, zone = interval * _SECOND, series.known_times, series.absolute_zone
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
            f"row {row + 1} ({show(times[row], zone)}) is {apart(jumps[row - 1])} after the row before: expected steps "
            f"of {in_words(interval)}; resample the data or mend the times"
        )
    gaps = np.flatnonzero(jumps != step)
    if not len(gaps):
        return series
    count = int((jumps // step - 1).sum())
    first = f"{len(gaps)} gaps in time, {count} rows missing, the first after {show(times[gaps[0]], zone)}"
    if not fill:
        raise UserError(
            f"{first} (next row {show(times[gaps[0] + 1], zone)}): expected a row every {in_words(interval)}; "
            "--fill-gaps inserts the missing rows as missing readings"
            f"{_of_the_clock(series, gaps)}"
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
    series.values, series.times = values, times[last] + (every - rows[last]) * np.timedelta64(interval, "s")
    series.notes.append(f"{first}: inserted as missing")
    return series


def _of_the_clock(series: Series, gaps: np.ndarray) -> str:
    """Return a hint where all gaps are an hour of the night, as where clocks are put forward."""
    before, after = series.known_times[gaps], series.known_times[gaps + 1]
    hours = (after - before - np.timedelta64(series.interval or 0, "s")) / np.timedelta64(1, "h")
    night = (after - after.astype("datetime64[D]")) / np.timedelta64(1, "h")
    clock = series.timezone is None and bool((hours == 1).all() and (night <= 4).all())
    return "; --timezone NAME where it is the hour that clocks skip" * clock


def apart(microseconds: int) -> str:
    """Write the time between two rows: "16 minutes", "90 seconds", "2.5 seconds"."""
    seconds, rest = divmod(int(microseconds), _SECOND)
    return f"{microseconds / _SECOND:g} seconds" if rest else in_words(seconds)


def calendar(times: np.ndarray, interval: int) -> np.ndarray:
    """Return time of day in [0, 1) and day of week (Monday 0) / 7, float32 ``[T, 2]``.

    Args:
        times: What the clock shows, ``datetime64[us]`` ``[T]``.
        interval: Seconds per row; from a day on, the time of day is 0.
    """
    since_epoch = times.astype("datetime64[us]").astype(np.int64)
    day = DAY * _SECOND
    features = np.empty((len(times), 2), dtype=np.float32)
    features[:, 0] = 0 if interval >= DAY else (since_epoch % day) / day
    features[:, 1] = (since_epoch // day + 3) % 7 / 7  # 1970-01-01 was a Thursday
    return features
