"""A frame in pandas's table format (``to_hdf(..., format="table")``), read as plain arrays.

The names of its columns are pickles in attributes. They are read as text in lists, and nothing in them is run.
"""

import pickletools

import h5py
import numpy as np

from stlora_ext.errors import UserError
from stlora_ext.preparation.safe_pickle import load_plain


def table_parts(group: h5py.Group, origin: str) -> tuple[list[str], np.ndarray, str, bool, dict[str, np.ndarray]]:
    """Return the columns' names in order, the index with its kind, whether it has a time zone, and the columns.

    Raises:
        UserError: If the frame has another form.
    """
    dataset = group.get("table")
    if not isinstance(dataset, h5py.Dataset) or not dataset.dtype.names or "index" not in dataset.dtype.names:
        raise UserError(f"{origin}: '{group.name}' holds no table of rows: expected a frame with an index of times")
    if dataset.is_virtual or dataset.external:
        raise UserError(f"{origin}: '{dataset.name}' lies in another file: expected a file that holds its own values")
    rows = dataset[()]
    columns: dict[str, np.ndarray] = {}
    for field in rows.dtype.names[1:]:
        names, block = _list(dataset.attrs, f"{field}_kind", origin), rows[field]
        if block.dtype.kind not in "fiu":
            raise UserError(f"{origin}: the columns {', '.join(names)} hold {block.dtype}: expected numbers")
        block = block.reshape(len(rows), -1)
        if block.shape[1] != len(names):
            raise UserError(f"{origin}: '{field}' has {block.shape[1]} columns and {len(names)} names: make it again")
        columns |= {name: block[:, place] for place, name in enumerate(names)}
    order = _order(group, origin)
    if set(order) != set(columns) or len(order) != len(columns):
        order = list(columns)
    kind = text_of(dataset.attrs.get("index_kind", ""))
    return order, rows["index"], kind, _has_zone(group), columns


def _order(group: h5py.Group, origin: str) -> list[str]:
    axes = load_plain(_bytes(group.attrs.get("non_index_axes", b"N.")), origin)
    try:
        return [str(name) for name in axes[0][1]]
    except (TypeError, IndexError, KeyError):
        return []


def _list(attributes: h5py.AttributeManager, name: str, origin: str) -> list[str]:
    names = load_plain(_bytes(attributes.get(name, b"N.")), origin)
    if not isinstance(names, list) or not all(isinstance(item, (str, int)) for item in names):
        raise UserError(f"{origin}: '{name}' names no columns: expected a frame with columns of text or whole numbers")
    return [str(item) for item in names]


def _has_zone(group: h5py.Group) -> bool:
    """Tell whether the index has a time zone, without making what describes it."""
    try:
        return any(argument == "tz" for _, argument, _ in pickletools.genops(_bytes(group.attrs.get("info", b"N."))))
    except Exception:  # a damaged pickle can raise anything
        return False


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("latin1", "replace")


def text_of(value: object) -> str:
    """Return a text of HDF5, which may come as bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
