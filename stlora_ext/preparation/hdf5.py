"""METR-LA's and PEMS-BAY's ``.h5``: a pandas fixed-format frame, read as plain arrays.

``axis0`` holds the column labels, ``axis1`` the row times as integers, ``blockI_items`` and ``blockI_values`` the
columns of one type. Attributes and arrays that pandas would unpickle are never looked at.
"""

from pathlib import Path

import h5py
import numpy as np

from stlora_ext.data.plain_arrays import DENSEST
from stlora_ext.errors import UserError
from stlora_ext.preparation.series import Series, check_ids, to_float32

_UNITS = {
    "datetime64": "ns",
    "datetime64[ns]": "ns",
    "datetime64[us]": "us",
    "datetime64[ms]": "ms",
    "datetime64[s]": "s",
}


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


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
    return [_text(label) for label in labels.tolist()]


def _only_frame(file: h5py.File, origin: str) -> h5py.Group:
    groups = [file[name] for name in file if _is_inside(file, name)]
    groups = [item for item in groups if isinstance(item, h5py.Group) and "pandas_type" in item.attrs]
    kinds = {group.name: _text(group.attrs["pandas_type"]) for group in groups}
    if list(kinds.values()) != ["frame"]:
        raise UserError(
            f"{origin} holds {kinds or 'no pandas object'}: expected one frame written by to_hdf(..., format='fixed')"
        )
    return groups[0]


def read_hdf5(path: Path) -> Series:
    """Read a pandas fixed-format frame: rows are times, columns sensors.

    Raises:
        UserError: If the file is no such frame.
    """
    origin = path.name
    try:
        with h5py.File(path, "r") as file:
            frame = _only_frame(file, origin)
            columns = _labels(frame, "axis0", origin)
            times = _read_times(frame, origin)
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
    return Series(values, times=times, sensor_ids=columns)


def _read_times(frame: h5py.Group, origin: str) -> np.ndarray:
    numbers = _plain(frame, "axis1", origin)
    kind = _text(frame["axis1"].attrs.get("kind", ""))
    if kind not in _UNITS or numbers.dtype != np.int64 or "tz" in frame["axis1"].attrs:
        raise UserError(
            f"{origin}: the row index is of kind '{kind or 'unknown'}': expected times without a time "
            "zone (datetime64); set such an index before to_hdf"
        )
    return numbers.astype(f"datetime64[{_UNITS[kind]}]").astype("datetime64[us]")
