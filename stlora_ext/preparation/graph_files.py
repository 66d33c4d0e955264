"""Graphs from files: edge lists, matrices, archives, adjacency pickles."""

import json
import shlex
from pathlib import Path

import numpy as np

from stlora_ext.errors import UserError
from stlora_ext.preparation.arrays import open_npy, open_npz
from stlora_ext.preparation.cells import Cells, is_number, read_cells
from stlora_ext.preparation.edges import has_edge_header, read_edges
from stlora_ext.preparation.graph import Graph, graph_from_edges
from stlora_ext.preparation.links import Links, graph_of
from stlora_ext.preparation.matrices import has_names, is_sparse, matrix_links, read_text_matrix, sparse_links
from stlora_ext.preparation.safe_pickle import load_adjacency_pickle

_TEXT = (".csv", ".tsv", ".txt", ".rel")


def read_graph(
    path: Path, num_nodes: int, sensor_ids: list[str] | None, name: str, key: str | None, subset: bool = False
) -> Graph:
    """Read the graph of a series from a file of weights, of edges, or of a prepared data set.

    Args:
        path: ``.csv``, ``.tsv``, ``.txt`` or LibCity's ``.rel`` (edges or matrix), ``.npy`` (matrix), ``.npz``
            (archive or SciPy's sparse matrix) or ``.pkl``.
        num_nodes: Columns of the series.
        sensor_ids: Their names, if they have any.
        name: The data set, looked for in archives.
        key: The array to take from an archive; None: found by ``name``.
        subset: Whether sensors that the data lack are left out.

    Raises:
        UserError: If the file is absent, of another kind, does not fit the series, or looks like distances.
    """
    links = read_links(path, "--graph", num_nodes, sensor_ids, name, key, subset)
    if isinstance(links, Graph):
        return links
    return graph_of(links, f"--distances {shlex.quote(str(path))}" + (f" --graph-key {key}" if key is not None else ""))


def read_links(
    path: Path, option: str, num_nodes: int, sensor_ids: list[str] | None, name: str, key: str | None, subset: bool
) -> Links | Graph:
    """Read pairs of columns and their numbers as the file has them; of a prepared ``graph.npz``, the graph.

    Args:
        option: By which the file is given, for the messages; the others are those of ``read_graph``.

    Raises:
        UserError: If the file is absent, of another kind, or does not fit the series.
    """
    if not path.is_file():
        raise UserError(f"graph file {path} does not exist: check {option}")
    suffix = path.suffix.lower()
    if key is not None and suffix != ".npz":
        raise UserError(f"--graph-key {key} chooses an array of an .npz archive, {path.name} is none: leave it out")
    if suffix in _TEXT:
        return _read_text(path, read_cells(path), num_nodes, sensor_ids, subset)
    if suffix == ".npz":
        return _read_archive(path, option, num_nodes, sensor_ids, name, key, subset)
    if suffix == ".npy":
        ids, matrix = None, open_npy(path)
    elif suffix in (".pkl", ".pickle"):
        ids, matrix = load_adjacency_pickle(path)
    else:
        raise UserError(
            f"graph file {path.name} ends in '{suffix}': expected .csv, .tsv, .txt, .rel, .npy, .npz or .pkl"
        )
    return matrix_links(matrix, ids, path.name, num_nodes, sensor_ids, subset)


def _read_text(path: Path, cells: Cells, num_nodes: int, sensor_ids: list[str] | None, subset: bool) -> Links:
    if has_edge_header(cells):
        return read_edges(path, cells, num_nodes, sensor_ids, subset)
    if _is_bare_list(cells, num_nodes, sensor_ids):
        return read_edges(path, cells, num_nodes, sensor_ids, subset, bare=True)
    return read_text_matrix(path, cells, num_nodes, sensor_ids, subset)


def _is_bare_list(cells: Cells, num_nodes: int, sensor_ids: list[str] | None) -> bool:
    """Tell a list of edges without a header from a matrix: two or three columns, and not as many rows as sensors,
    unless both ends of every row are the names of sensors."""
    rows = cells.rows
    width = len(rows[0]) if rows else 0
    if width not in (2, 3) or has_names(cells) or (width == 3 and not is_number(rows[0][2], cells)):
        return False
    square = len(rows) == width == num_nodes
    return not square or {end for row in rows for end in row[:2]} <= set(sensor_ids or ())


def _read_archive(
    path: Path, option: str, num_nodes: int, sensor_ids: list[str] | None, name: str, key: str | None, subset: bool
) -> Links | Graph:
    arrays, distances = open_npz(path), option == "--distances"
    if key is None and {"num_nodes", "source", "target", "weight"} <= set(arrays):
        return _read_prepared(path, arrays, num_nodes)
    if key is None and is_sparse(arrays):
        return sparse_links(arrays, path.name, num_nodes)
    names = dict.fromkeys([name, name.replace("-", "")])
    candidates = ["distance", *(f"{name}_dist" for name in names)] if distances else [*names, "adj"]
    candidates = candidates if key is None else [key]
    found = next((candidate for candidate in candidates if candidate in arrays), None)
    if found is None and key is None and len(arrays) == 1:
        found = next(iter(arrays))
    if found is None:
        raise UserError(
            f"{path.name} holds {', '.join(arrays)}: expected {' or '.join(candidates)}; choose one with --graph-key"
        )
    stem = found.removesuffix("_dist")
    ids = arrays.get("sensor_ids" if found in ("adj", "distance") else f"{stem}_ids")
    return matrix_links(
        arrays[found],
        None if ids is None else [str(i) for i in ids.ravel().tolist()],
        path.name,
        num_nodes,
        sensor_ids,
        subset,
        None if distances else arrays.get("distance" if found == "adj" else f"{found}_dist"),
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
    names = _names_beside(path, num_nodes)
    return graph_from_edges(
        num_nodes,
        source,
        target,
        arrays["weight"],
        arrays.get("distance"),
        path.name,
        position=_position(path.name, arrays.get("position")),
        sensor_ids=names,
        notes=(f"{path.name} is the graph of a prepared data set, read by {'position' if names is None else 'name'}",),
    )


def _names_beside(path: Path, num_nodes: int) -> list[str] | None:
    """Return the sensors' names of the prepared data set whose graph this is; None: it has none, or isn't there."""
    try:
        names = json.loads((path.parent / "meta.json").read_text(encoding="utf-8"))["stlora"]["sensor_ids"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(names, list) or len(names) != num_nodes or not all(isinstance(name, str) for name in names):
        return None
    return None if names == [str(column) for column in range(num_nodes)] else names


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
