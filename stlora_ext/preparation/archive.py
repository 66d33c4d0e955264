"""Readings in an ``.npz`` archive: which of its arrays are used, for what, and which aren't."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from stlora_ext.errors import UserError
from stlora_ext.preparation.arrays import open_npz, pick_channel
from stlora_ext.preparation.from_table import refuse_orientation
from stlora_ext.preparation.graph import graph_from_matrix
from stlora_ext.preparation.options import ReadingOptions
from stlora_ext.preparation.series import Series, check_ids
from stlora_ext.preparation.stamps import FIRST_YEAR, LAST_YEAR, read_stamps, unit_since_1970
from stlora_ext.preparation.timeline import show

_TIMES = ("time", "times", "timestamp", "timestamps", "datetime", "dates")
_IDS = ("sensor_ids", "ids", "names", "sensor_names", "node_ids", "station_ids")
_CHANNELS = ("channels", "channel_names", "features", "feature_names")
_GRAPH = ("adj", "distance", "position")


def read_npz(path: Path, options: ReadingOptions) -> Series:
    """Read ``data``, or the only array of readings, with the times, names, channels and graph that lie beside it.

    Raises:
        UserError: If it is open which array holds the readings, an array beside it doesn't fit, or rows seem to be
            sensors.
    """
    arrays = open_npz(path)
    main = _main(arrays)
    if main is None:
        raise UserError(f"{path.name} holds {', '.join(arrays) or 'nothing'}: expected an array named 'data'")
    values = arrays[main]
    if options.transpose and values.ndim >= 2:
        values = values.swapaxes(0, 1)
    if values.ndim >= 2 and options.transpose is None:
        _check_orientation(arrays, values.shape, path.name)
    channels = _names(arrays, _CHANNELS, values.shape[2:3])
    readings, notes = pick_channel(values, options.channel, path.name, None if channels is None else channels[1])
    series = Series(readings, positions=arrays.get("position"), notes=notes)
    used = {main, *(("position",) if "position" in arrays else ()), *([] if channels is None else [channels[0]])}
    used |= _set_ids(series, arrays, path.name)
    if "adj" in arrays:
        series.graph = graph_from_matrix(
            arrays["adj"], readings.shape[1], path.name, arrays.get("distance"), sensor_ids=series.sensor_ids
        )
        used |= {"adj", "distance"} & set(arrays)
    used |= _set_times(series, arrays, path.name, options)
    unused = [f"{name} {list(array.shape)}" for name, array in arrays.items() if name not in used]
    series.notes.append(
        f"arrays of {path.name} that are used: {', '.join(name for name in arrays if name in used)}"
        + (f"; not used: {', '.join(unused)}" if unused else "")
    )
    return series


def _main(arrays: dict[str, np.ndarray]) -> str | None:
    if "data" in arrays:
        return "data"
    if len(arrays) == 1:
        return next(iter(arrays))
    known = {*_TIMES, *_IDS, *_CHANNELS, *_GRAPH}
    left = [name for name, array in arrays.items() if name not in known and array.ndim >= 2]
    return left[0] if len(left) == 1 else None


def _check_orientation(arrays: dict[str, np.ndarray], shape: tuple[int, ...], origin: str) -> None:
    """Refuse readings whose rows are sensors, as far as their shape and the arrays beside them tell."""
    rows, columns = shape[:2]
    if rows == columns:
        return
    steps = [array.size for name, array in arrays.items() if name in _TIMES and _are_times(array)]
    nodes = [array.size for name, array in arrays.items() if name in _IDS and array.ndim == 1]
    nodes += [len(array) for name, array in arrays.items() if name == "adj" and array.ndim == 2]
    if rows in steps or columns in nodes:
        return
    if columns in steps:
        raise refuse_orientation(origin, rows, columns, f"and {columns:,} times beside them")
    if rows in nodes:
        raise refuse_orientation(origin, rows, columns, f"and {rows:,} sensors beside them")
    if columns > rows:
        raise refuse_orientation(origin, rows, columns)


def _names(arrays: dict[str, np.ndarray], keys: Sequence[str], shape: tuple[int, ...]) -> tuple[str, list[str]] | None:
    for key in keys:
        if key in arrays and arrays[key].shape == shape and arrays[key].dtype.kind in "US":
            return key, _text(arrays[key])
    return None


def _set_ids(series: Series, arrays: dict[str, np.ndarray], origin: str) -> set[str]:
    columns = series.values.shape[1]
    key = next((key for key in _IDS if key in arrays and (arrays[key].size == columns or key == _IDS[0])), None)
    if key is None:
        return set()
    series.sensor_ids = _text(arrays[key])
    check_ids(series.sensor_ids, columns, origin)
    return {key}


def _set_times(series: Series, arrays: dict[str, np.ndarray], origin: str, options: ReadingOptions) -> set[str]:
    rows = len(series.values)
    key = next((key for key in _TIMES if key in arrays and _are_times(arrays[key])), None)
    if key is None:
        return set()
    array = arrays[key]
    if len(array) != rows:
        raise UserError(
            f"{origin} holds {len(array):,} times in '{key}' and {rows:,} rows of readings: expected as many; mend the "
            "archive, or leave that array out of it"
        )
    if array.dtype.kind == "M":
        years = array[~np.isnat(array)].astype("datetime64[Y]").astype(np.int64) + 1970
        if len(years) and not FIRST_YEAR <= years.min() <= years.max() <= LAST_YEAR:
            raise UserError(
                f"{origin}: times in '{key}' reach from the year {years.min()} to {years.max()}: expected years of "
                "four digits; mend the archive"
            )
        array = array.astype("datetime64[us]")
    column = pd.Series(_text(array) if array.dtype.kind in "US" else array)
    stamps = read_stamps([column], origin, options)
    series.times, series.timezone = stamps.times, options.timezone
    if stamps.never.any():
        row = int(np.flatnonzero(stamps.never)[0])
        raise UserError(
            f"{origin}: {show(array[row].astype('datetime64[us]')) if array.dtype.kind == 'M' else array[row]} in "
            f"'{key}' is a time that {options.timezone} never had, its clocks skip it: expected local times; leave "
            "--timezone out if the clock of these data isn't changed in the year"
        )
    series.notes.extend(stamps.notes)
    return {key}


def _are_times(array: np.ndarray) -> bool:
    """Tell whether an array can be of times: dates, text, or counts since 1970; not the numbers of the rows."""
    return array.ndim == 1 and (array.dtype.kind in "MUS" or unit_since_1970(pd.Series(array)) is not None)


def _text(array: np.ndarray) -> list[str]:
    return [
        name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in array.ravel().tolist()
    ]
