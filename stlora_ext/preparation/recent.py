"""Readings of a network that a data set describes: its sensors in their order, its interval, its time zone."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stlora_ext.data.local_time import row_axis, to_local
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.horizons import in_words
from stlora_ext.preparation.clock import localize
from stlora_ext.preparation.options import ReadingOptions
from stlora_ext.preparation.readings import read_readings
from stlora_ext.preparation.series import Series, check_ids, to_float32
from stlora_ext.preparation.timeline import apart, calendar, close_gaps, regular_times, show

if TYPE_CHECKING:
    import pandas as pd

_NAMED = 3  # sensors that a message lists


def read_recent(
    path: Path, meta: Meta, options: ReadingOptions | None = None, at: str | None = None, fill_gaps: bool = False
) -> "tuple[np.ndarray, pd.DatetimeIndex]":
    """Read the window of ``input_len`` rows before a forecast from a file, whose sensors may stand in any order.

    Args:
        path: What ``datasets/prepare.py --raw`` reads, with times; an empty cell or NaN is a missing reading.
        meta: The data set whose sensors, interval, time zone and window lengths are expected.
        options: How the file is read.
        at: Time of the window's last row, in ISO 8601; None: the file's last.
        fill_gaps: Whether rows that are missing in time are inserted as missing readings.

    Returns:
        tuple: Readings ``[input_len, N]``, float32, original units, NaN where missing; and the times of these rows and
            of the ``output_len`` steps after them, with their offsets where the data set's rows follow absolute time.

    Raises:
        UserError: If the file is absent or holds no readings, lacks a sensor or has one that isn't the data set's, has
            too few rows, no row at that time, an infinite reading, or times that go back or aren't one interval apart.
    """
    series = read_series(path, meta, options)
    if fill_gaps:
        series = _window_filled(series, meta, path.name, at)
    return window(series, meta, path.name, at, "--fill-gaps inserts missing rows as missing readings")


def window(
    series: Series, meta: Meta, origin: str, at: str | None = None, remedy: str = "insert a missing row of NaN"
) -> "tuple[np.ndarray, pd.DatetimeIndex]":
    """Cut the window before a forecast, as ``read_recent`` does, from readings in the data set's order.

    Args:
        series: The readings.
        meta: As of ``read_recent``.
        origin: What they are, for messages.
        at: As of ``read_recent``.
        remedy: What to do about a row that is missing in time, for the message.

    Raises:
        UserError: As ``read_recent``, but for the file and its sensors.
    """
    times = series.known_times
    end = len(times) if at is None else _row(at, series, meta, origin) + 1
    _check_rows(end, meta, origin, "" if at is None else f" up to {at}")
    rows = slice(end - meta.input_len, end)
    _check_steps(times[rows], meta, origin, series.absolute_zone, rows.start, remedy)
    check_finite(series.values[rows], meta, origin, rows.start)
    return series.values[rows], axis(series, meta, times[rows][0], meta.input_len + meta.output_len)


def _window_filled(series: Series, meta: Meta, origin: str, at: str | None) -> Series:
    """Return the rows of the window alone, those that are missing in time as missing readings.

    The file's first row is the earliest. Where no row can be the window's last one, the readings stay as they are.
    """
    times, step = series.known_times, np.timedelta64(meta.interval_seconds, "s")
    if not len(times):
        return series
    last = times[-1] if at is None else _moment(at, meta, series.absolute_zone is not None)
    first = max(times[0], last - (meta.input_len - 1) * step)
    begin, end = np.searchsorted(times, first), np.searchsorted(times, last, side="right")
    places = times[begin:end] - first
    if not times[0] <= last <= times[-1] or (last - first) % step or (places % step).astype(np.int64).any():
        return series
    check_finite(series.values[begin:end], meta, origin, int(begin))
    values = np.full((int((last - first) // step) + 1, series.values.shape[1]), np.nan, dtype=np.float32)
    values[places // step] = series.values[begin:end]
    return replace(series, values=values, times=first + np.arange(len(values)) * step)


def read_whole(
    path: Path, meta: Meta, options: ReadingOptions | None = None, fill_gaps: bool = False, ahead: int = 0
) -> "tuple[np.ndarray, pd.DatetimeIndex]":
    """Read every row of a file.

    Args:
        path: As of ``read_recent``.
        meta: As there.
        options: As there.
        fill_gaps: Whether rows that are missing in time are inserted as missing readings.
        ahead: Rows of a window after the input that the file has to hold.

    Returns:
        tuple: Readings ``[rows, N]`` as of ``read_recent``; and the times of these rows and of the ``output_len``
            steps after them.

    Raises:
        UserError: As ``read_recent``, or if rows are missing and aren't to be inserted.
    """
    series = read_series(path, meta, options)
    _check_rows(len(series.known_times), meta, path.name, ahead=ahead)
    series.interval = meta.interval_seconds
    check_finite(series.values, meta, path.name, 0)
    series = close_gaps(series, meta.interval_seconds, fill_gaps)
    times = series.known_times
    return series.values, axis(series, meta, times[0], len(times) + meta.output_len)


def read_series(
    path: Path, meta: Meta, options: ReadingOptions | None = None, new: bool = False, remedy: str = ""
) -> Series:
    """Read a whole file of readings, its columns in the order of a data set's sensors, its times on that set's axis.

    Args:
        path: As of ``read_recent``.
        meta: As there.
        options: As there.
        new: Whether other columns are taken, as new sensors behind the data set's.
        remedy: What to do about a sensor that isn't the data set's, for the message.

    Raises:
        UserError: As ``read_recent``, but for the number of rows and their steps.
    """
    if not path.exists():
        raise UserError(
            f"--input {path} does not exist: expected a CSV with a time column and a column per sensor of {meta.name}"
        )
    options = replace(options or ReadingOptions(), timezone=meta.timezone, dataset=meta.name)
    return _in_order(read_readings(path, options, "--input"), meta, options, path.name, new, remedy)


def frame_series(frame: "pd.DataFrame", meta: Meta) -> Series:
    """Take the readings of a table in memory as ``read_series`` takes those of a file.

    Args:
        frame: A row per step, indexed by time; a column per sensor, named by its id, in any order; NaN where missing.
        meta: The data set whose sensors and time zone are expected.

    Raises:
        UserError: As ``read_series``, or if the index holds no times, or a column no numbers.
    """
    import pandas as pd

    from stlora_ext.preparation.stamps import read_stamps

    origin = "the table of readings"
    if not isinstance(frame, pd.DataFrame) or not isinstance(frame.index, pd.DatetimeIndex):
        index = type(frame.index).__name__ if isinstance(frame, pd.DataFrame) else type(frame).__name__
        raise UserError(f"{origin} is of {index}: expected a DataFrame with a DatetimeIndex and a column per sensor")
    names = [str(name) for name in frame.columns]
    check_ids(names, len(names), origin)
    wrong = [name for name, kind in zip(names, frame.dtypes, strict=True) if kind.kind not in "fiu"]
    if wrong:
        raise UserError(f"{origin}: column '{wrong[0]}' holds no numbers: expected readings, NaN where one is missing")
    options = ReadingOptions(timezone=meta.timezone, dataset=meta.name)
    stamps = read_stamps([frame.index.to_series().reset_index(drop=True)], origin, options)
    values = to_float32(frame.to_numpy(dtype=np.float64, na_value=np.nan), origin)
    series = Series(values, times=stamps.times, sensor_ids=names, timezone=meta.timezone)
    return _in_order(series, meta, options, origin)


def _in_order(
    series: Series, meta: Meta, options: ReadingOptions, origin: str, new: bool = False, remedy: str = ""
) -> Series:
    """Bring columns into the order of the data set's sensors, and times onto its axis."""
    _set_axis(series, meta, options, origin)
    names = series.sensor_ids or [str(column) for column in range(series.values.shape[1])]
    columns = {name: column for column, name in enumerate(names)}
    known = set(meta.sensor_ids)
    more = [name for name in names if name not in known]
    _check_sensors(columns.keys(), [] if new else sorted(more), meta, origin, remedy)
    series.sensor_ids = [*meta.sensor_ids, *more]
    series.values = series.values[:, [columns[name] for name in series.sensor_ids]]
    _check_order(series.known_times, origin, series.absolute_zone)
    return series


def stamps(times: "pd.DatetimeIndex", meta: Meta) -> np.ndarray:
    """Return time of day and day of week of ``times``, as the prepared data hold them: float32 ``[steps, 2]``."""
    return calendar(times.tz_localize(None).to_numpy(), meta.interval_seconds)


def _set_axis(series: Series, meta: Meta, options: ReadingOptions, origin: str) -> None:
    """Bring the times of a file onto the axis of the data set: absolute time, or what the clock shows."""
    absolute = row_axis(meta, [0]).tz is not None
    if series.times is None:
        if options.start is None:
            raise UserError(
                f"{origin} does not say when its rows are: expected a column of times; --start gives that of the first "
                "row, --time-column names the column"
            )
        start = localize(np.array([options.start]), str(meta.timezone))[0][0] if absolute else options.start
        series.times = regular_times(start, len(series.values), meta.interval_seconds)
        series.timezone, series.wall = meta.timezone, not absolute
    elif options.start is not None and series.local_times[0] != options.start:
        here = show(series.local_times[0])
        raise UserError(f"{origin} begins at {here}, --start says {show(options.start)}: leave --start out")
    elif meta.timezone is not None and not absolute:
        series.times, series.wall = series.local_times, True


def axis(series: Series, meta: Meta, first: np.datetime64, rows: int) -> "pd.DatetimeIndex":
    """Return the times of rows from ``first`` on, with their offsets where they follow absolute time."""
    import pandas as pd

    times = pd.DatetimeIndex(first + np.arange(rows) * np.timedelta64(meta.interval_seconds, "s")).as_unit("us")
    return times if series.absolute_zone is None else times.tz_localize("UTC").tz_convert(series.absolute_zone)


def _row(at: str, series: Series, meta: Meta, origin: str) -> int:
    """Return the row at a time, of which it is the last that a forecast knows."""
    times, zone = series.known_times, series.absolute_zone
    moment = _moment(at, meta, zone is not None)
    row = int(np.searchsorted(times, moment))
    if row == len(times) or times[row] != moment:
        near = times[max(0, row - 1)]
        raise UserError(
            f"--at {at}: {origin} has no row at that time: expected that of a row from {show(times[0], zone)} to "
            f"{show(times[-1], zone)}, the last that the forecast knows, such as {show(near, zone)}"
        )
    return row


def _moment(at: str, meta: Meta, absolute: bool) -> np.datetime64:
    """Read a time on the data set's axis: UTC where that is absolute, else what the clock shows."""
    try:
        time = datetime.fromisoformat(at.strip())
    except ValueError:
        raise UserError(f"--at {at} is no time: expected ISO 8601, such as 2024-01-31T08:05") from None
    if time.tzinfo is None:
        plain = np.datetime64(time, "us")
        return localize(np.array([plain]), str(meta.timezone))[0][0] if absolute else plain
    if meta.timezone is None:
        raise UserError(f"--at {at} has an offset from UTC, {meta.name} has no time zone: leave the offset out")
    utc = np.datetime64(time.astimezone(UTC).replace(tzinfo=None), "us")
    return utc if absolute else to_local(np.array([utc]), meta.timezone)[0]


def check_finite(values: np.ndarray, meta: Meta, origin: str, before: int) -> None:
    """Refuse an infinite reading.

    Args:
        values: Readings ``[rows, N]``.
        meta: Their data set.
        origin: The file, for the message.
        before: Rows of the file before these.

    Raises:
        UserError: If one is, with its row and sensor.
    """
    infinite = np.argwhere(np.isinf(values))
    if len(infinite):
        row, column = infinite[0]
        raise UserError(
            f"{origin}, row {before + row + 1}, sensor '{meta.sensor_ids[column]}': the reading is infinite: expected "
            "a finite number, or an empty cell where it is missing"
        )


def _check_rows(rows: int, meta: Meta, origin: str, until: str = "", ahead: int = 0) -> None:
    if rows < meta.input_len + ahead:
        steps = "the input steps of the model" if not ahead else "the steps of a window"
        raise UserError(
            f"{origin} has {rows} rows{until}: expected at least {meta.input_len + ahead}, {steps}, "
            f"{in_words(meta.interval_seconds)} apart, below a header"
        )


def _check_sensors(given: Collection[str], unknown: list[str], meta: Meta, origin: str, remedy: str) -> None:
    lacking = [name for name in meta.sensor_ids if name not in given]
    if lacking or unknown:
        raise UserError(
            f"{origin}: {_some('lacks sensor', lacking)}{' and ' * bool(lacking and unknown)}"
            f"{_some('has the unknown sensor', unknown)}: expected the {meta.num_nodes} sensors of "
            f"{meta.name}, each once, in any order ({', '.join(meta.sensor_ids[:_NAMED])}, ...); a sensor "
            f"without readings is a column of empty cells{bool(unknown) * remedy}"
        )


def _some(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{what}{'s' * (len(names) > 1)} {', '.join(repr(name) for name in names[:_NAMED])}{more}"


def _check_order(times: np.ndarray, origin: str, zone: str | None) -> None:
    back = np.flatnonzero(np.diff(times) <= np.timedelta64(0))
    if len(back):
        row = int(back[0]) + 1
        raise UserError(
            f"{origin}, row {row + 1}: {show(times[row], zone)} is not after {show(times[row - 1], zone)} of the row "
            "before: expected times in order, each once; sort the rows and drop repeated ones"
        )


def _check_steps(times: np.ndarray, meta: Meta, origin: str, zone: str | None, before: int, remedy: str) -> None:
    steps = np.diff(times)
    wrong = np.flatnonzero(steps != np.timedelta64(meta.interval_seconds, "s"))
    if len(wrong):
        row = int(wrong[0]) + 1
        raise UserError(
            f"{origin}, row {before + row + 1}: {show(times[row], zone)} is "
            f"{apart(steps[row - 1].astype('timedelta64[us]').astype(np.int64))} after the row before: expected "
            f"{in_words(meta.interval_seconds)}, the interval of {meta.name}, between the last {meta.input_len} rows; "
            f"{remedy}"
        )
