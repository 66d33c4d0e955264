"""Graphs from files: edge lists, matrices, archives, adjacency pickles."""

import csv
from pathlib import Path

import numpy as np

from stlora_ext.errors import UserError
from stlora_ext.preparation.arrays import open_npy, open_npz
from stlora_ext.preparation.graph import Graph, align, graph_from_edges, graph_from_matrix
from stlora_ext.preparation.safe_pickle import load_adjacency_pickle
from stlora_ext.preparation.series import check_ids
from stlora_ext.spreadsheet import plain_text

_DISTANCE = ("cost", "distance", "dist", "length")


def read_graph(path: Path, num_nodes: int, sensor_ids: list[str] | None, name: str, key: str | None) -> Graph:
    """Read the graph of a series.

    Args:
        path: ``.csv`` (edges or matrix), ``.npy`` (matrix), ``.npz`` (archive) or ``.pkl``.
        num_nodes: Columns of the series.
        sensor_ids: Their names, if they have any.
        name: The data set, looked for in archives.
        key: The array to take from an archive; None: found by ``name``.

    Raises:
        UserError: If the file is absent, of another kind, or does not fit the series.
    """
    if not path.is_file():
        raise UserError(f"graph file {path} does not exist: check --graph")
    suffix = path.suffix.lower()
    if key is not None and suffix != ".npz":
        raise UserError(f"--graph-key {key} chooses an array of an .npz archive, {path.name} is none: leave it out")
    if suffix == ".csv":
        graph = _read_csv(path, num_nodes, sensor_ids)
    elif suffix == ".npy":
        graph = graph_from_matrix(open_npy(path), num_nodes, path.name)
    elif suffix == ".npz":
        graph = _read_archive(path, num_nodes, name, key)
    elif suffix in (".pkl", ".pickle"):
        ids, matrix = load_adjacency_pickle(path)
        graph = graph_from_matrix(matrix, num_nodes, path.name, sensor_ids=ids)
    else:
        raise UserError(f"graph file {path.name} ends in '{suffix}': expected .csv, .npy, .npz or .pkl")
    if graph.sensor_ids is not None:
        check_ids(graph.sensor_ids, num_nodes, path.name)
    return align(graph, sensor_ids, path.name)


def _read_csv(path: Path, num_nodes: int, sensor_ids: list[str] | None) -> Graph:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"{path.name} cannot be read as CSV ({error}): expected text in UTF-8, separated by commas"
        ) from None
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    if header[:2] == ["from", "to"]:
        return _read_edges(path.name, header, rows[1:], num_nodes, sensor_ids)
    matrix = []
    for line, row in enumerate(rows, start=1):
        try:
            matrix.append(_numbers(row, len(header)))
        except ValueError:
            raise UserError(
                f"{path.name}, line {line}: not {len(header)} numbers. Expected edges with the header "
                "from,to[,weight][,distance], or a matrix of numbers without a header"
            ) from None
    return graph_from_matrix(np.array(matrix).reshape(len(rows), len(header)), num_nodes, path.name)


def _numbers(row: list[str], width: int, first: int = 0) -> np.ndarray:
    """Return the cells from ``first`` on; a ValueError where one is no number or the row isn't ``width`` cells wide."""
    if len(row) != width:
        raise ValueError(f"{len(row)} cells")
    return np.array([float(cell) for cell in row[first:]])


def _read_edges(
    origin: str, header: list[str], rows: list[list[str]], num_nodes: int, sensor_ids: list[str] | None
) -> Graph:
    kinds = ["distance" if name in _DISTANCE else name for name in header[2:]]
    if len(set(kinds)) < len(kinds) or not set(kinds) <= {"weight", "distance"}:
        raise UserError(f"{origin} has the columns {','.join(header)}: expected from,to[,weight][,cost]")
    numbers = np.empty((len(rows), len(kinds)))
    for index, row in enumerate(rows):
        try:
            numbers[index] = _numbers(row, len(header), first=2)
        except ValueError:
            raise UserError(
                f"{origin}, edge {index + 1} ({','.join(row)}): expected {','.join(header)} with numbers "
                "from the third column on"
            ) from None
    ends = _columns_of_ends([row[:2] for row in rows], num_nodes, sensor_ids, origin)
    columns = dict(zip(kinds, numbers.T, strict=True))
    return graph_from_edges(
        num_nodes, ends[:, 0], ends[:, 1], columns.get("weight", np.ones(len(rows))), columns.get("distance"), origin
    )


def _columns_of_ends(ends: list[list[str]], num_nodes: int, sensor_ids: list[str] | None, origin: str) -> np.ndarray:
    """Turn sensor names, or else column indices, into columns ``[E, 2]``."""
    names = [[plain_text(end.strip()) for end in pair] for pair in ends]
    indices = {str(index): index for index in range(num_nodes)}
    column = {name: index for index, name in enumerate(sensor_ids or ())}
    unknown = next((end for pair in names for end in pair if end not in column), None)
    if unknown is not None:
        stranger = next((end for pair in names for end in pair if end not in indices), None)
        if stranger is not None:
            known = f"one of the {num_nodes} sensor ids or " if sensor_ids else ""
            remedy = "" if sensor_ids else "; if the file uses sensor ids, give their order with --ids PATH"
            wrong = unknown if sensor_ids and unknown not in indices else stranger
            raise UserError(
                f"{origin} names node '{wrong}': expected {known}an index from 0 to {num_nodes - 1}{remedy}"
            )
        column = indices
    return np.array([[column[a], column[b]] for a, b in names], dtype=np.int64).reshape(-1, 2)


def _read_archive(path: Path, num_nodes: int, name: str, key: str | None) -> Graph:
    arrays = open_npz(path)
    if key is None and {"num_nodes", "source", "target", "weight"} <= set(arrays):
        return _read_prepared(path, arrays, num_nodes)
    candidates = [key] if key is not None else [name, name.replace("-", ""), "adj"]
    found = next((candidate for candidate in candidates if candidate in arrays), None)
    if found is None and key is None and len(arrays) == 1:
        found = next(iter(arrays))
    if found is None:
        raise UserError(
            f"{path.name} holds {', '.join(arrays)}: expected {' or '.join(candidates)}; choose one with --graph-key"
        )
    distance = arrays.get("distance" if found == "adj" else f"{found}_dist")
    ids = arrays.get("sensor_ids" if found == "adj" else f"{found}_ids")
    return graph_from_matrix(
        arrays[found],
        num_nodes,
        path.name,
        distance,
        sensor_ids=None if ids is None else [str(i) for i in ids.ravel().tolist()],
    )


def _read_prepared(path: Path, arrays: dict[str, np.ndarray], num_nodes: int) -> Graph:
    """Read the arrays of a ``graph.npz``: ``num_nodes``, ``source``, ``target``, ``weight`` and what else is there."""
    _check_prepared(path.name, arrays, "num_nodes", ())
    if arrays["num_nodes"] != num_nodes:
        raise UserError(
            f"{path.name} is a graph of {arrays['num_nodes']} nodes, the data have {num_nodes} columns: "
            "bring the graph that belongs to the data"
        )
    source, target = arrays["source"], arrays["target"]
    for name in ("source", "target", "weight", "distance"):
        _check_prepared(path.name, arrays, name, (source.size,))
    _check_prepared(path.name, arrays, "position", (num_nodes, 2))
    for ends in (source, target):
        strange = ends[(ends < 0) | (ends >= num_nodes)]
        if len(strange):
            raise UserError(
                f"{path.name} names node '{strange[0]}': expected an index from 0 to {num_nodes - 1}; "
                "bring the graph that belongs to the data"
            )
    return graph_from_edges(
        num_nodes,
        source,
        target,
        arrays["weight"],
        arrays.get("distance"),
        path.name,
        position=_position(path.name, arrays.get("position")),
    )


def _check_prepared(origin: str, arrays: dict[str, np.ndarray], name: str, shape: tuple[int, ...]) -> None:
    kinds, what = ("iu", "whole numbers") if name in ("num_nodes", "source", "target") else ("fiub", "numbers")
    array = arrays.get(name)
    if array is not None and (array.shape != shape or array.dtype.kind not in kinds):
        raise UserError(
            f"{origin}: '{name}' has shape {array.shape} of {array.dtype}: expected {what} of shape "
            f"{shape}, as in the graph.npz that prepare.py writes; mend it, or give --graph another file"
        )


def _position(origin: str, position: np.ndarray | None) -> np.ndarray | None:
    if position is None:
        return None
    with np.errstate(over="ignore"):
        position = position.astype(np.float32)
    wrong = np.argwhere(~np.isfinite(position))
    if len(wrong):
        raise UserError(
            f"{origin}: the position of node {wrong[0, 0]} is {position[wrong[0, 0]].tolist()}: expected "
            "finite coordinates in km; mend them, or leave 'position' out"
        )
    return position
