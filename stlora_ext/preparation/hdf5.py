"""METR-LA's and PEMS-BAY's ``.h5``: a pandas frame in fixed or table format, read as plain arrays.

``axis0`` holds the column labels, ``axis1`` the row times as integers, ``blockI_items`` and ``blockI_values`` the
columns of one type. Attributes and arrays that pandas would unpickle are never looked at.
"""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from stlora_ext.data.plain_arrays import DENSEST
from stlora_ext.errors import UserError
from stlora_ext.preparation.from_table import series_from_table
from stlora_ext.preparation.hdf5_table import table_parts, text_of
from stlora_ext.preparation.options import ReadingOptions
from stlora_ext.preparation.series import Series, check_ids, to_float32
from stlora_ext.preparation.table import Table, find_roles

_UNITS = {
    "datetime64": "ns",
    "datetime64[ns]": "ns",
    "datetime64[us]": "us",
    "datetime64[ms]": "ms",
    "datetime64[s]": "s",
}


def _is_inside(group: h5py.Group, name: str) -> bool:
    """Whether ``name`` is in the file itself, and no link to another."""
    return isinstance(group.get(name, getlink=True), h5py.HardLink)


def _plain(frame: h5py.Group, name: str, origin: str) -> np.ndarray:
    dataset = frame[name] if _is_inside(frame, name) else None
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiuS":
        raise UserError(
            f"{origin}: '{frame.name}/{name}' is absent or holds Python objects: expected a pandas frame "
            "of numbers written by to_hdf(..., format='fixed'); otherwise save it as CSV"
        )
    if dataset.is_virtual or dataset.external:
        raise UserError(
            f"{origin}: '{frame.name}/{name}' lies in another file: expected a file that holds its own values"
        )
    stored = min(dataset.id.get_storage_size(), Path(dataset.file.filename).stat().st_size)
    if dataset.nbytes > DENSEST * stored:
        raise ValueError(f"'{name}' claims {dataset.nbytes} bytes that it doesn't hold")
    return dataset[()]


def _labels(frame: h5py.Group, name: str, origin: str) -> list[str]:
    labels = _plain(frame, name, origin)
    if labels.dtype.kind not in "iuS":
        raise UserError(f"{origin}: the labels '{name}' are of type {labels.dtype}: expected strings or integers")
    return [text_of(label) for label in labels.tolist()]


def _only_frame(file: h5py.File, origin: str) -> h5py.Group:
    groups = [file[name] for name in file if _is_inside(file, name)]
    groups = [item for item in groups if isinstance(item, h5py.Group) and "pandas_type" in item.attrs]
    kinds = {group.name: text_of(group.attrs["pandas_type"]) for group in groups}
    if len(kinds) != 1 or not set(kinds.values()) <= {"frame", "frame_table"}:
        raise UserError(f"{origin} holds {kinds or 'no pandas object'}: expected one frame written by to_hdf")
    return groups[0]


def read_hdf5(path: Path, options: ReadingOptions | None = None) -> Series:
    """Read a pandas frame: rows are times, columns sensors, or a row per reading with the times as its index.

    Raises:
        UserError: If the file is no such frame.
    """
    origin, options = path.name, options or ReadingOptions()
    if options.transpose:
        raise UserError(f"--transpose: the rows of {origin} have times; leave it out")
    try:
        with h5py.File(path, "r") as file:
            frame = _only_frame(file, origin)
            if text_of(frame.attrs["pandas_type"]) == "frame_table":
                return _read_table(frame, origin, options)
            columns = _labels(frame, "axis0", origin)
            times = _read_times(frame, origin, options)
            check_ids(columns, len(columns), origin)
            values = np.full((len(times), len(columns)), np.nan, dtype=np.float32)
            position = {name: index for index, name in enumerate(columns)}
            filled = 0
            for block in range(int(frame.attrs.get("nblocks", 1))):
                items = _labels(frame, f"block{block}_items", origin)
                part = to_float32(_plain(frame, f"block{block}_values", origin), origin)
                if part.shape != (len(times), len(items)) or not set(items) <= set(columns):
                    raise UserError(
                        f"{origin}: block {block} has shape {part.shape} for {len(times)} rows and "
                        f"{len(items)} of the columns: the file is damaged; download it again"
                    )
                values[:, [position[item] for item in items]] = part
                filled += len(items)
    except UserError:
        raise
    except Exception as error:  # the library raises almost anything on damaged bytes
        raise UserError(
            f"{path} cannot be read as HDF5 ({error}): download it again, save it without "
            "compression, or save it as CSV"
        ) from None
    if filled != len(columns):
        raise UserError(
            f"{origin} has {len(columns)} columns and values for {filled}: the file is damaged; download it again"
        )
    table = Table(pd.DataFrame(values), columns, origin)
    table.frame.insert(0, "time", times)
    return _from_frame(table, options)


def _read_table(group: h5py.Group, origin: str, options: ReadingOptions) -> Series:
    names, index, kind, zone, columns = table_parts(group, origin)
    table = Table(pd.DataFrame({place: columns[name] for place, name in enumerate(names)}), names, origin)
    table.frame.insert(0, "time", _as_times(index, kind, zone, origin, options))
    return _from_frame(table, options)


def _from_frame(table: Table, options: ReadingOptions) -> Series:
    """Return the series of a frame whose first column holds its index."""
    table.names = ["time", *table.names]
    table.frame.columns = range(len(table.names))
    return series_from_table(table, find_roles(table, options), options)


def _read_times(frame: h5py.Group, origin: str, options: ReadingOptions) -> pd.DatetimeIndex:
    numbers = _plain(frame, "axis1", origin)
    attributes = frame["axis1"].attrs
    return _as_times(numbers, text_of(attributes.get("kind", "")), "tz" in attributes, origin, options)


def _as_times(numbers: np.ndarray, kind: str, zone: bool, origin: str, options: ReadingOptions) -> pd.DatetimeIndex:
    if kind not in _UNITS or numbers.dtype != np.int64:
        raise UserError(
            f"{origin}: the row index is of kind '{kind or 'unknown'}': expected times (datetime64); set such an index "
            "before to_hdf"
        )
    if zone and options.timezone is None:
        raise UserError(
            f"{origin}: the times have a time zone: expected --timezone with the place whose local time counts, such "
            "as --timezone Europe/Berlin"
        )
    times = pd.DatetimeIndex(numbers.astype(f"datetime64[{_UNITS[kind]}]").astype("datetime64[us]"))
    return times.tz_localize("UTC") if zone else times
