"""The last readings of a network, from any file that holds readings, in the order of a data set's sensors."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stlora_ext.data.local_time import row_axis
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.horizons import in_words
from stlora_ext.preparation.clock import localize
from stlora_ext.preparation.options import ReadingOptions
from stlora_ext.preparation.readings import read_readings
from stlora_ext.preparation.series import Series
from stlora_ext.preparation.timeline import apart, calendar, regular_times, show

if TYPE_CHECKING:
    import pandas as pd

_NAMED = 3  # sensors that a message lists


def read_recent(path: Path, meta: Meta, options: ReadingOptions | None = None) -> "tuple[np.ndarray, pd.DatetimeIndex]":
    """Read the last ``input_len`` rows of a file of readings, whose sensors may stand in any order.

    Args:
        path: What ``datasets/prepare.py --raw`` reads, with times; an empty cell or NaN is a missing reading.
        meta: The data set whose sensors, interval, time zone and window lengths are expected.
        options: How the file is read.

    Returns:
        tuple: Readings ``[input_len, N]``, float32, original units, NaN where missing; and the times of these rows and
            of the ``output_len`` steps after them, with their offsets where the data set's rows follow absolute time.

    Raises:
        UserError: If the file is absent or holds no readings, lacks a sensor or has one that isn't the data set's, has
            too few rows, an infinite reading, or times that go back or aren't one interval apart.
    """
    series = read_series(path, meta, options)
    times = series.known_times
    _check_rows(len(times), meta, path.name)
    last = slice(len(times) - meta.input_len, None)
    _check_steps(times[last], meta, path.name, series.absolute_zone, len(times) - meta.input_len)
    rows = np.arange(meta.input_len + meta.output_len)
    return _finite(series, meta, path.name)[last], _axis(times[last][0], meta, series, rows)


def read_series(path: Path, meta: Meta, options: ReadingOptions | None = None) -> Series:
    """Read a whole file of readings, its columns in the order of a data set's sensors, its times on that set's axis.

    Raises:
        UserError: As ``read_recent``, but for the number of rows and their steps.
    """
    if not path.exists():
        raise UserError(
            f"--input {path} does not exist: expected a CSV with a time column and a column per sensor of {meta.name}"
        )
    options = replace(options or ReadingOptions(), timezone=meta.timezone)
    series = read_readings(path, options, "--input")
    _set_axis(series, meta, options, path.name)
    names = series.sensor_ids or [str(column) for column in range(series.values.shape[1])]
    columns = {name: column for column, name in enumerate(names)}
    _check_sensors(columns.keys(), meta, path.name)
    series.values = series.values[:, [columns[name] for name in meta.sensor_ids]]
    series.sensor_ids = meta.sensor_ids
    _check_order(series.known_times, path.name, series.absolute_zone)
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


def _axis(first: np.datetime64, meta: Meta, series: Series, rows: np.ndarray) -> "pd.DatetimeIndex":
    import pandas as pd

    axis = pd.DatetimeIndex(first + rows * np.timedelta64(meta.interval_seconds, "s")).as_unit("us")
    return axis if series.absolute_zone is None else axis.tz_localize("UTC").tz_convert(series.absolute_zone)


def _finite(series: Series, meta: Meta, origin: str) -> np.ndarray:
    """Return the readings, of which the last ``input_len`` rows are finite or missing."""
    first = len(series.values) - meta.input_len
    infinite = np.argwhere(np.isinf(series.values[first:]))
    if len(infinite):
        row, column = infinite[0]
        raise UserError(
            f"{origin}, row {first + row + 1}, sensor '{meta.sensor_ids[column]}': the reading is infinite: expected a "
            "finite number, or an empty cell where it is missing"
        )
    return series.values


def _check_rows(rows: int, meta: Meta, origin: str) -> None:
    if rows < meta.input_len:
        raise UserError(
            f"{origin} has {rows} rows: expected at least {meta.input_len}, the input steps of the model, "
            f"{in_words(meta.interval_seconds)} apart, below a header"
        )


def _check_sensors(given: Collection[str], meta: Meta, origin: str) -> None:
    lacking = [name for name in meta.sensor_ids if name not in given]
    unknown = sorted(set(given) - set(meta.sensor_ids))
    if lacking or unknown:
        raise UserError(
            f"{origin}: {_some('lacks sensor', lacking)}{' and ' * bool(lacking and unknown)}"
            f"{_some('has the unknown sensor', unknown)}: expected the {meta.num_nodes} sensors of "
            f"{meta.name}, each once, in any order ({', '.join(meta.sensor_ids[:_NAMED])}, ...); a sensor "
            "without readings is a column of empty cells"
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


def _check_steps(times: np.ndarray, meta: Meta, origin: str, zone: str | None, before: int) -> None:
    steps = np.diff(times)
    wrong = np.flatnonzero(steps != np.timedelta64(meta.interval_seconds, "s"))
    if len(wrong):
        row = int(wrong[0]) + 1
        raise UserError(
            f"{origin}, row {before + row + 1}: {show(times[row], zone)} is "
            f"{apart(steps[row - 1].astype('timedelta64[us]').astype(np.int64))} after the row before: expected "
            f"{in_words(meta.interval_seconds)}, the interval of {meta.name}, between the last {meta.input_len} rows; "
            "insert a missing row with empty cells"
        )
