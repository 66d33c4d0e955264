"""Weights from distances: the Gaussian kernel with a threshold, in the form that DCRNN published."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from stlora_ext.errors import UserError
from stlora_ext.preparation.graph import Graph, graph_from_edges
from stlora_ext.preparation.graph_files import read_links
from stlora_ext.preparation.links import Links

THRESHOLD = 0.1


def read_distances(
    path: Path,
    num_nodes: int,
    sensor_ids: list[str] | None,
    name: str,
    key: str | None,
    subset: bool,
    sigma: float | None,
    threshold: float | None,
) -> Graph:
    """Read distances, of a list or a matrix, and weigh each pair by w = exp(-d^2 / sigma^2).

    Args:
        path: The file, of the kinds that ``read_graph`` reads.
        num_nodes: Columns of the series.
        sensor_ids: Their names, if they have any.
        name: The data set, looked for in archives.
        key: The array to take from an archive.
        subset: Whether sensors that the data lack are left out.
        sigma: In the unit of the file; None: the standard deviation of the distances between the data's sensors, those
            of sensors to themselves included where the file has them.
        threshold: A pair of a lower weight is no edge; None: 0.1.

    Raises:
        UserError: If the file can't be read as distances, or sigma or the threshold is out of range.
    """
    threshold = THRESHOLD if threshold is None else threshold
    if sigma is not None and not (0 < sigma < math.inf):
        raise UserError(f"--sigma {sigma}: expected a number above 0, in the unit of {path.name}")
    if not 0 <= threshold <= 1:
        raise UserError(f"--threshold {threshold}: expected a weight from 0 to 1")
    links = read_links(path, "--distances", num_nodes, sensor_ids, name, key, subset)
    if isinstance(links, Graph):
        raise UserError(
            f"{path.name} is the graph of a prepared data set, no distances: give it as --graph {path.name}"
        )
    source, target, distance, notes = _distances(links)
    if sigma is None:
        sigma, said = float(distance.std()) if len(distance) else 0.0, "their standard deviation"
        if not sigma > 0:
            raise UserError(
                f"the distances of {path.name} between sensors of the data do not differ ({len(distance)} in all): no "
                "sigma follows from them; give --sigma"
            )
    else:
        said = "as stated"
    with np.errstate(over="ignore", under="ignore"):
        weight = np.exp(-np.square(distance / sigma))
    kept = (weight >= threshold) & (weight.astype(np.float32) > 0)
    if not kept[source != target].any():
        nearest = distance[source != target].min(initial=math.inf)
        raise UserError(
            f"no pair of sensors of {path.name} is near enough to be an edge: the smallest distance is {nearest:g}, "
            f"sigma {sigma:.6g} ({said}), the threshold {threshold:g}; give a larger --sigma, or a lower --threshold"
        )
    notes.append(
        f"weights from {len(distance)} distances of {path.name}: exp(-d^2 / sigma^2), sigma {sigma:.6g} ({said}), "
        f"threshold {threshold:g}; {int(kept.sum())} edges kept, {int((~kept).sum())} below the threshold"
    )
    between = source[kept] * num_nodes + target[kept], target[kept] * num_nodes + source[kept]
    if not np.isin(*between)[source[kept] != target[kept]].any():
        notes.append(f"no pair of {path.name} has edges in both directions: an edge leads one way, as its row says")
    graph = graph_from_edges(
        num_nodes, source[kept], target[kept], weight[kept], distance[kept], path.name, notes=notes
    )
    return replace(graph, sensor_ids=links.sensor_ids)


def _distances(links: Links) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Return columns, columns and distances ``[E]`` of different pairs, the last of each, and notes."""
    origin, notes = links.origin, list(links.notes)
    distance = links.unnamed if links.unnamed is not None else links.distance
    if distance is None:
        what = "weights" if links.weight is not None else "edges without a number"
        raise UserError(
            f"{origin} holds {what}, no distances: expected a column cost, distance or length; give it as --graph "
            f"{origin}"
        )
    source, target, distance = links.source, links.target, distance.astype(np.float64)
    if links.is_matrix:
        source, target, distance = _with_zeros(links, distance, notes)
    wrong = np.flatnonzero(distance < 0)
    if len(wrong):
        place = wrong[0]
        raise UserError(
            f"{origin}: the distance {source[place]} -> {target[place]} is {distance[place]:g}: expected none below 0"
        )
    at_home = np.flatnonzero((source == target) & (distance > 0) & np.isfinite(distance))
    if len(at_home):
        place = at_home[0]
        raise UserError(
            f"{origin}: the distance {source[place]} -> {target[place]} is {distance[place]:g}, from a sensor to "
            f"itself: expected 0 or none; give weights or correlations as --graph {origin}"
        )
    unknown = ~np.isfinite(distance)
    if unknown.any():
        notes.append(f"{int(unknown.sum())} distances of {origin} are infinite or missing: no edges")
    source, target, distance = source[~unknown], target[~unknown], distance[~unknown]
    pair = source * links.num_nodes + target
    unique, from_end = np.unique(pair[::-1], return_index=True)
    if len(unique) < len(pair):
        notes.append(f"{len(pair) - len(unique)} repeated pairs in {origin}: the last of each was kept")
    last = len(pair) - 1 - from_end
    return source[last], target[last], distance[last], notes


def _with_zeros(links: Links, distance: np.ndarray, notes: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Settle what a 0 of a matrix means: a distance where most pairs have one, no connection elsewhere."""
    num_nodes = links.num_nodes
    apart = int((links.source != links.target).sum())
    zeros = num_nodes * (num_nodes - 1) - apart
    if 2 * apart <= num_nodes * (num_nodes - 1):
        notes.append(f"most entries of {links.origin} are 0: a 0 means no connection")
        return links.source, links.target, distance
    if zeros:
        notes.append(f"{zeros} zeros off the diagonal of {links.origin} are distances: sensors at one place")
    matrix = np.zeros((num_nodes, num_nodes))
    matrix[links.source, links.target] = distance
    source, target = np.indices(matrix.shape).reshape(2, -1)
    return source, target, matrix.ravel()
