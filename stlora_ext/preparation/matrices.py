"""Matrices of a graph: text with or without names, arrays, archives, SciPy's sparse files, adjacency pickles."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from stlora_ext.errors import UserError
from stlora_ext.preparation.cells import Cells, is_number, number
from stlora_ext.preparation.graph import check_matrix
from stlora_ext.preparation.links import Links
from stlora_ext.preparation.node_names import Nodes, match_nodes, some
from stlora_ext.preparation.series import check_ids

_FORMATS = ("csr", "csc", "coo")


def matrix_links(
    matrix: np.ndarray,
    names: list[str] | None,
    origin: str,
    num_nodes: int,
    sensor_ids: list[str] | None,
    subset: bool,
    distance: np.ndarray | None = None,
) -> Links:
    """Read the entries of a dense matrix ``[M, M]``, entry [source, target].

    Args:
        matrix: Numbers.
        names: Its nodes; None: they are the columns of the data.
        origin: The file.
        num_nodes: Columns of the data N.
        sensor_ids: Their names, if they have any.
        subset: Whether nodes that the data lack are left out.
        distance: A matrix of the same shape, of distances.

    Raises:
        UserError: If it isn't square numbers, or its nodes aren't the data's.
    """
    for what, array in (("matrix", matrix), ("distance matrix", distance)):
        if array is not None:
            check_matrix(array, num_nodes if names is None or sensor_ids is None else len(matrix), origin, what)
    if names is not None:
        check_ids(names, len(matrix), origin)
    source, target = np.nonzero(matrix)  # NaN counts as an entry
    links = Links(
        origin,
        num_nodes,
        source,
        target,
        unnamed=matrix[source, target],
        distance=None if distance is None else distance[source, target],
        is_matrix=True,
    )
    return _placed(links, names, sensor_ids, subset)


def read_text_matrix(path: Path, cells: Cells, num_nodes: int, sensor_ids: list[str] | None, subset: bool) -> Links:
    """Read a matrix of text: bare, with names in the first row and column, or with names in the first row alone.

    Raises:
        UserError: If it is none.
    """
    rows = cells.rows
    names, first, skip = None, 0, 0
    if has_names(cells):
        names, first, skip = rows[0][1:], 1, 1
        columns = {name: index for index, name in enumerate(names)}
        order = [columns[row[0]] for row in rows[1:]]
    elif rows and len(rows) == len(rows[0]) > 1 and not any(is_number(cell, cells) for cell in rows[0]):
        only = sorted({row[0] for row in rows[1:]} ^ set(rows[0][1:]))
        raise UserError(
            f"{path.name}: the first row and the first column name different sensors ({some(only)}): expected the same "
            "names, each once; correct them"
        )
    elif has_header_of_names(cells, sensor_ids):
        names, first = rows[0], 1
    matrix = []
    width = len(rows[0]) if rows else 0
    for line, row in enumerate(rows[first:], start=first + 1):
        try:
            if len(row) != width:
                raise ValueError
            matrix.append([number(cell, cells) for cell in row[skip:]])
        except ValueError:
            raise UserError(
                f"{path.name}, line {line}: not {width - skip} numbers. Expected edges with the header "
                "from,to[,weight][,distance] (or source,target or origin_id,destination_id), or a matrix of numbers "
                "without a header or with sensor names in the first row and column"
            ) from None
    values = np.array(matrix).reshape(len(matrix), width - skip)
    if skip:
        values = values[np.argsort(order)]
    return matrix_links(values, names, path.name, num_nodes, sensor_ids, subset)


def has_names(cells: Cells) -> bool:
    """Tell whether the first row and the first column hold the same names."""
    rows = cells.rows
    if len(rows) < 2 or len(rows[0]) != len(rows) or is_number(rows[0][0], cells):
        return False
    names = rows[0][1:]
    return len(set(names)) == len(names) and {row[0] for row in rows[1:]} == set(names)


def has_header_of_names(cells: Cells, sensor_ids: list[str] | None) -> bool:
    """Tell whether the first row of a matrix holds the sensors' names, in any order."""
    rows = cells.rows
    return bool(rows) and len(rows) == len(rows[0]) + 1 and set(rows[0]) == set(sensor_ids or ())


def is_sparse(arrays: dict[str, np.ndarray]) -> bool:
    """Tell whether the arrays of an archive are what ``scipy.sparse.save_npz`` writes."""
    return {"format", "shape", "data"} <= set(arrays) and arrays["format"].dtype.kind in "SU"


def sparse_links(arrays: dict[str, Any], origin: str, num_nodes: int) -> Links:
    """Read the arrays of ``scipy.sparse.save_npz``; its rows and columns are the columns of the data.

    Raises:
        UserError: If they are damaged, of another format or of another size.
    """
    kind = np.asarray(arrays["format"]).astype(str).item() if arrays["format"].ndim == 0 else ""
    if kind not in _FORMATS:
        raise UserError(
            f"{origin} is a sparse matrix of the format '{kind}': expected {', '.join(_FORMATS)}; save matrix.tocsr()"
        )
    shape = tuple(arrays["shape"].ravel().tolist())
    if shape != (num_nodes, num_nodes) or arrays["data"].dtype.kind not in "fiub":
        raise UserError(
            f"{origin}: the sparse matrix has shape {shape} of {arrays['data'].dtype}: expected numbers of shape "
            f"({num_nodes}, {num_nodes}), one row and column per sensor"
        )
    try:
        if kind == "coo":
            matrix = sparse.coo_array((arrays["data"], (arrays["row"], arrays["col"])), shape=shape)
            matrix.sum_duplicates()
        else:
            make = sparse.csr_array if kind == "csr" else sparse.csc_array
            compressed = make((arrays["data"], arrays["indices"], arrays["indptr"]), shape=shape)
            compressed.check_format(full_check=True)
            compressed.sum_duplicates()
            matrix = compressed.tocoo()
    except (KeyError, ValueError, TypeError, IndexError, OverflowError) as error:
        raise UserError(
            f"{origin} is a damaged sparse matrix ({error}): expected what scipy.sparse.save_npz writes; save it again"
        ) from None
    source, target = (places.astype(np.int64) for places in matrix.coords)
    kept = matrix.data != 0  # NaN counts as an entry
    links = Links(origin, num_nodes, source[kept], target[kept], unnamed=matrix.data[kept], is_matrix=True)
    return _placed(links, None, None, False)


def _placed(links: Links, names: list[str] | None, sensor_ids: list[str] | None, subset: bool) -> Links:
    """Bring a matrix of named nodes into the order of the columns; without names it is in that order."""
    origin, num_nodes = links.origin, links.num_nodes
    if names is None:
        note = f"{origin} is a matrix without names, read by position: its rows and columns are the data's columns"
        return replace(links, notes=(*links.notes, note))
    if sensor_ids is None:
        note = f"the data name no sensors: they take the names of {origin}, in its order"
        return replace(links, sensor_ids=names, notes=(*links.notes, note))
    nodes = match_all(names, sensor_ids, origin, subset, "bring the graph that belongs to the data")
    column = np.array([nodes.column.get(name, -1) for name in names], dtype=np.int64)
    source, target = column[links.source], column[links.target]
    kept = (source >= 0) & (target >= 0)
    notes = [*links.notes, f"{origin} read {nodes.how}", *nodes.notes]
    if nodes.lacking:
        notes[-1 - len(nodes.notes)] += (
            f"; {len(nodes.lacking)} sensors ({some(nodes.lacking)}) left out with {int((~kept).sum())} entries: the "
            "data lack them"
        )
    if not np.array_equal(column[column >= 0], np.arange(num_nodes)):
        notes.append(f"{origin} was brought into the order of the data's columns")
    return replace(
        links,
        source=source[kept],
        target=target[kept],
        unnamed=None if links.unnamed is None else links.unnamed[kept],
        distance=None if links.distance is None else links.distance[kept],
        sensor_ids=sensor_ids,
        notes=tuple(notes),
    )


def match_all(names: Sequence[str], sensor_ids: list[str], origin: str, subset: bool, remedy: str) -> Nodes:
    """Match the nodes of a file that has to name every sensor of the data, and names it once.

    Args:
        names: The nodes of the file.
        sensor_ids: The names of the columns.
        origin: The file, for the messages.
        subset: Whether nodes that the data lack are left out.
        remedy: What to do where the file lacks a sensor.

    Raises:
        UserError: If it lacks one, or names one that the data lack and that is not to be left out.
    """
    num_nodes = len(sensor_ids)
    nodes = match_nodes(names, sensor_ids, num_nodes, origin, subset=True)
    placed = {nodes.column[name] for name in names if name in nodes.column}
    absent = [name for index, name in enumerate(sensor_ids) if index not in placed]
    if absent or (nodes.lacking and not subset):
        only, where = (absent, "the data") if absent else (nodes.lacking, origin)
        more = f"' and {len(only) - 1} more are" if len(only) > 1 else "' is"
        raise UserError(
            f"{origin} and the data name different sensors (sensor '{only[0]}{more} only in {where}): expected the "
            f"same names; {remedy if absent else '--subset leaves out sensors that the data lack'}"
        )
    return nodes
