"""The last readings of a network from a CSV table, in the order of a data set's sensors."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.preparation.csv_table import read_csv
from stlora_ext.preparation.timeline import calendar, show

_NAMED = 3  # sensors that a message lists


def read_recent(path: Path, meta: Meta, time_format: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read the last ``input_len`` rows of a table with a time column and a column per sensor, in any order.

    Args:
        path: CSV with a header; an empty cell or NaN is a missing reading.
        meta: The data set whose sensors, interval and window lengths are expected.
        time_format: How times are written, in strptime's notation; None: ISO 8601.

    Returns:
        tuple: Readings ``[input_len, N]``, float32, original units, NaN where missing; and the times of these rows and
            of the ``output_len`` steps after them, ``datetime64[us]``.

    Raises:
        UserError: If the file is absent or no such table, lacks a sensor or has one that isn't the data set's, has too
            few rows, an infinite reading, or times that go back or aren't one interval apart.
    """
    if not path.is_file():
        raise UserError(
            f"--input {path} does not exist: expected a CSV with a time column and a column per sensor of {meta.name}"
        )
    with open(path, "rb") as file:
        rows = sum(bool(line.strip()) for line in file) - 1
    _check_rows(max(rows, 0), meta, path.name)
    series = read_csv(path, time_format)
    columns = {name: column for column, name in enumerate(series.sensor_ids or ())}
    _check_sensors(columns.keys(), meta, path.name)
    times = series.known_times
    _check_rows(len(times), meta, path.name)
    _check_times(times, meta, path.name)
    values = series.values[-meta.input_len :, [columns[name] for name in meta.sensor_ids]]
    infinite = np.argwhere(np.isinf(values))
    if len(infinite):
        row, column = infinite[0]
        raise UserError(
            f"{path.name}, row {len(times) - meta.input_len + row + 1}, sensor "
            f"'{meta.sensor_ids[column]}': the reading is infinite: expected a finite number, or an empty "
            "cell where it is missing"
        )
    steps = np.arange(1 - meta.input_len, meta.output_len + 1) * np.timedelta64(meta.interval, "m")
    return values, times[-1] + steps


def stamps(times: np.ndarray) -> np.ndarray:
    """Return time of day and day of week of ``times``, as the prepared data hold them: float32 ``[steps, 2]``."""
    return calendar(times)


def _check_rows(rows: int, meta: Meta, origin: str) -> None:
    if rows < meta.input_len:
        raise UserError(
            f"{origin} has {rows} rows: expected at least {meta.input_len}, the input steps of the model, "
            f"{meta.interval} minutes apart, below a header"
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


def _check_times(times: np.ndarray, meta: Meta, origin: str) -> None:
    back = np.flatnonzero(np.diff(times) <= np.timedelta64(0))
    if len(back):
        row = int(back[0]) + 1
        raise UserError(
            f"{origin}, row {row + 1}: {show(times[row])} is not after {show(times[row - 1])} of the row "
            "before: expected times in order, each once; sort the rows and drop repeated ones"
        )
    steps = np.diff(times[-meta.input_len :])
    wrong = np.flatnonzero(steps != np.timedelta64(meta.interval, "m"))
    if len(wrong):
        row = len(times) - len(steps) + int(wrong[0])
        apart = steps[wrong[0]] / np.timedelta64(1, "m")
        raise UserError(
            f"{origin}, row {row + 1}: {show(times[row])} is {apart:g} minutes after the row before: "
            f"expected {meta.interval} minutes, the interval of {meta.name}, between the last "
            f"{meta.input_len} rows; insert a missing row with empty cells"
        )
