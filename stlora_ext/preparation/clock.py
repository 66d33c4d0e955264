"""Local times to UTC and back: the hour that a clock skips, the hour that it shows twice, and the axis rows follow."""

import numpy as np
import pandas as pd

from stlora_ext.data.prepared import DAY, fits_a_day
from stlora_ext.preparation.series import Series

_SECOND = 1_000_000  # microseconds


def localize(
    times: np.ndarray, timezone: str, sensor: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read what a clock showed as UTC.

    In the order of the rows of a sensor, an hour that is shown twice is summer time until the times go back, then
    standard time. Where it is there once, it is the first of the two, unless the table begins within it.

    Args:
        times: What the clock showed, ``datetime64[us]`` ``[T]``.
        timezone: Where it hangs.
        sensor: Whose reading each row is, int ``[T]``; None: all rows are one series.

    Returns:
        tuple: UTC ``datetime64[us]`` ``[T]``; where the clock never showed such a time (then the UTC means nothing);
            and where it showed it twice.
    """
    shown = pd.DatetimeIndex(times)
    summer = np.ones(len(shown), dtype=bool)
    either = shown.tz_localize(timezone, ambiguous="NaT", nonexistent="NaT")
    first = shown.tz_localize(timezone, ambiguous=summer, nonexistent="NaT")
    twice = np.asarray(either.isna() & ~first.isna())
    if twice.any():
        rows = np.flatnonzero(twice)
        groups = pd.DataFrame({"day": shown[rows].normalize(), "sensor": 0 if sensor is None else sensor[rows]})
        for _, group in groups.groupby(["day", "sensor"], sort=False):
            _tell_apart(times, rows[group.index], sensor, summer)
    utc = shown.tz_localize(timezone, ambiguous=summer, nonexistent="shift_forward")
    return _plain(utc.tz_convert("UTC")), np.asarray(first.isna()), twice


def _tell_apart(times: np.ndarray, rows: np.ndarray, sensor: np.ndarray | None, summer: np.ndarray) -> None:
    """Set which of a sensor's ``rows`` within an hour shown twice are its first, summer time."""
    back = np.flatnonzero(np.diff(times[rows]).astype(np.int64) <= 0)
    if len(back):
        summer[rows[back[0] + 1 :]] = False
        return
    others = np.arange(len(times)) if sensor is None else np.flatnonzero(sensor == sensor[rows[0]])
    if rows[0] == others[0] and rows[-1] != others[-1]:
        summer[rows] = False


def _plain(index: pd.DatetimeIndex) -> np.ndarray:
    return index.tz_localize(None).to_numpy().astype("datetime64[us]")


def choose_axis(series: Series) -> None:
    """Decide whether rows follow absolute time or the clock: days and blocks of local hours follow the clock."""
    if series.timezone is None or series.wall:
        return
    local = series.local_times
    clock, absolute = _step(local), _step(series.known_times)
    if clock is not None and (clock >= DAY or absolute is None):
        series.wall, series.times = True, local
        return
    lengths = np.unique(np.diff(local - series.known_times))
    if (lengths != np.timedelta64(0)).any():
        series.notes.append(
            f"rows follow absolute time: on the days of the clock change in {series.timezone} an hour is "
            "skipped, or is there twice with the same time of day"
        )


def _step(times: np.ndarray) -> int | None:
    """Return the step of rows in seconds where all are whole numbers of the commonest one, and it fits a day."""
    steps = np.diff(times).astype(np.int64)
    if not len(steps) or (steps <= 0).any():
        return None
    lengths, counts = np.unique(steps, return_counts=True)
    step = int(lengths[counts.argmax()])
    return step // _SECOND if not (steps % step).any() and step % _SECOND == 0 and fits_a_day(step // _SECOND) else None
