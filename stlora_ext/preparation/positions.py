"""Where sensors stand, in degrees, and the graph of each one's nearest neighbours."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stlora_ext.errors import UserError
from stlora_ext.preparation.arrays import open_npz
from stlora_ext.preparation.cells import Cells, is_number, number, read_cells
from stlora_ext.preparation.graph import Graph, graph_from_edges
from stlora_ext.preparation.matrices import match_all
from stlora_ext.preparation.node_names import some
from stlora_ext.preparation.series import check_ids
from stlora_ext.spreadsheet import plain_text

_NAMES = ("sensor_id", "sensor", "geo_id", "station_id", "station", "node", "name", "id")
_LATITUDES, _LONGITUDES = ("latitude", "lat"), ("longitude", "lon", "lng", "long")
_RADIUS = 6371.0088  # km, the Earth's mean
_BLOCK = 2**22  # distances at a time
EXPECTED = "expected name,latitude,longitude with or without that header, or geo_id,coordinates as LibCity's .geo"


@dataclass(frozen=True)
class Positions:
    """Where the sensors stand.

    Attributes:
        places: Latitude and longitude in degrees, float64 ``[N, 2]``, in the order of the columns.
        sensor_ids: Names of the sensors in that order, where the file has them.
        notes: What the user should know of how they were read.
    """

    places: np.ndarray
    sensor_ids: list[str] | None
    notes: tuple[str, ...]


def read_positions(path: Path, num_nodes: int, sensor_ids: list[str] | None, subset: bool) -> Positions:
    """Read latitude and longitude of every sensor.

    Args:
        path: ``.csv``, ``.tsv``, ``.txt``, LibCity's ``.geo``, or an ``.npz`` with ``position`` and, if the data name
            their sensors, ``sensor_ids``.
        num_nodes: Columns of the series.
        sensor_ids: Their names, if they have any; else the rows are in the order of the columns.
        subset: Whether sensors that the data lack are left out.

    Raises:
        UserError: If the file is absent or no such table, or lacks a sensor.
    """
    if not path.is_file():
        raise UserError(f"position file {path} does not exist: check --positions")
    if path.suffix.lower() == ".npz":
        names, places = _read_archive(path)
    else:
        names, places = _read_table(path.name, read_cells(path))
    if names is not None:
        check_ids(names, len(names), path.name)
    check_degrees(places, names, path.name)
    if sensor_ids is None or names is None:
        if len(places) != num_nodes:
            raise UserError(
                f"{path.name} has {len(places)} positions, the data have {num_nodes} columns: without names on both "
                "sides expected one per column, in their order; give the names of the columns with --ids PATH"
            )
        return Positions(places, names, (f"positions of {path.name} read by position, one per column of the data",))
    remedy = f"add the positions that {path.name} lacks"
    nodes = match_all(names, sensor_ids, path.name, subset, remedy)
    ordered = np.empty((num_nodes, 2))
    for name, place in zip(names, places, strict=True):
        if name in nodes.column:
            ordered[nodes.column[name]] = place
    left = f"; left out: {len(nodes.lacking)} that the data lack ({some(nodes.lacking)})" if nodes.lacking else ""
    note = f"positions of {path.name} read {nodes.how}: {num_nodes}{left}"
    return Positions(ordered, sensor_ids, (note, *nodes.notes))


def are_degrees(places: np.ndarray, num_nodes: int) -> bool:
    """Tell whether an array is a latitude and a longitude per sensor."""
    if places.shape != (num_nodes, 2) or places.dtype.kind not in "fiu":
        return False
    with np.errstate(invalid="ignore"):
        return bool((np.abs(places) <= [90, 180]).all())


def check_degrees(places: np.ndarray, names: list[str] | None, origin: str) -> None:
    """Check that every row is a latitude and a longitude.

    Raises:
        UserError: If not, naming the sensor.
    """
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero(~(np.abs(places) <= [90, 180]).all(axis=1))
    if len(wrong):
        row = int(wrong[0])
        latitude, longitude = places[row]
        swapped = abs(longitude) <= 90 and abs(latitude) <= 180
        raise UserError(
            f"{origin}: the position of sensor '{names[row] if names else row}' is {latitude:g}, {longitude:g}: "
            "expected a latitude from -90 to 90 and a longitude from -180 to 180"
            + ("; the longitude seems to stand first: swap them" if swapped else "")
        )


def _read_archive(path: Path) -> tuple[list[str] | None, np.ndarray]:
    arrays = open_npz(path)
    places = arrays.get("position")
    if places is None or places.ndim != 2 or places.shape[1] != 2 or places.dtype.kind not in "fiu":
        raise UserError(f"{path.name} holds {', '.join(arrays)}: expected 'position' of shape (sensors, 2), in degrees")
    ids = arrays.get("sensor_ids")
    names = None if ids is None else [str(name) for name in ids.ravel().tolist()]
    if names is not None:
        check_ids(names, len(places), path.name)
    return names, places.astype(np.float64)


def _read_table(origin: str, cells: Cells) -> tuple[list[str], np.ndarray]:
    rows = cells.rows
    header = [cell.lower() for cell in rows[0]] if rows else []
    name, latitude, longitude, both = (
        next((header.index(word) for word in words if word in header), None)
        for words in (_NAMES, _LATITUDES, _LONGITUDES, ("coordinates",))
    )
    first = 1
    if name is None or (both is None and (latitude is None or longitude is None)):
        if len(header) != 3 or not (is_number(header[1], cells) and is_number(header[2], cells)):
            raise UserError(f"{origin} begins with {','.join(header) or 'nothing'}: {EXPECTED}")
        name, latitude, longitude, both, first = 0, 1, 2, None, 0
    names, places = [], []
    for line, row in enumerate(rows[first:], start=first + 1):
        try:
            if len(row) != len(header):
                raise ValueError
            if both is not None:
                east, north = json.loads(row[both])
                place = float(north), float(east)
            else:
                assert latitude is not None and longitude is not None
                place = number(row[latitude], cells), number(row[longitude], cells)
        except (ValueError, TypeError, RecursionError):
            raise UserError(f"{origin}, line {line} ({','.join(row)}): no position of one point; {EXPECTED}") from None
        names.append(plain_text(row[name]))
        places.append(place)
    return names, np.array(places).reshape(-1, 2)


def neighbor_graph(places: np.ndarray, neighbors: int, origin: str) -> Graph:
    """Link every sensor and its nearest ones in both directions, with weight 1 and the distance in km.

    Two sensors are linked if either is among the other's ``neighbors`` nearest by great circle; of equally near ones,
    the earlier column is the nearer.

    Args:
        places: Latitude and longitude in degrees ``[N, 2]``.
        neighbors: K, at least 1.
        origin: Where the positions are from.

    Raises:
        UserError: If there are not more than ``neighbors`` sensors.
    """
    num_nodes = len(places)
    if not 1 <= neighbors < num_nodes:
        raise UserError(
            f"--neighbors {neighbors}: expected from 1 to {num_nodes - 1}, the other sensors of the {num_nodes}"
        )
    rows = max(1, _BLOCK // num_nodes)
    nearest, lengths = [], []
    for begin in range(0, num_nodes, rows):
        block = great_circle(places[begin : begin + rows, None], places[None])
        block[np.arange(len(block)), np.arange(begin, begin + len(block))] = np.inf
        order = np.argsort(block, axis=1, kind="stable")[:, :neighbors]
        nearest.append(order)
        lengths.append(np.take_along_axis(block, order, axis=1))
    source, target = np.repeat(np.arange(num_nodes), neighbors), np.concatenate(nearest).ravel()
    length = np.concatenate(lengths).ravel()
    pairs, first = np.unique(np.minimum(source, target) * num_nodes + np.maximum(source, target), return_index=True)
    low, high, length = pairs // num_nodes, pairs % num_nodes, length[first]
    note = (
        f"{len(pairs)} pairs of sensors from {origin}: each one's {neighbors} nearest by great circle, linked in both "
        "directions with weight 1; the distance is kept in km"
    )
    return graph_from_edges(
        num_nodes,
        np.concatenate([low, high]),
        np.concatenate([high, low]),
        np.ones(2 * len(pairs)),
        np.concatenate([length, length]),
        origin,
        notes=(note,),
    )


def great_circle(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the distance in km between places ``[..., 2]`` of latitude and longitude in degrees."""
    (lat1, lon1), (lat2, lon2) = (np.moveaxis(np.radians(places), -1, 0) for places in (first, second))
    half = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    return 2 * _RADIUS * np.arcsin(np.sqrt(np.minimum(half, 1)))
