"""A road graph as a list of directed edges."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from stlora_ext.errors import UserError


@dataclass(frozen=True)
class Graph:
    """Directed edges between the columns of a series, in order of (source, target).

    Attributes:
        num_nodes: Sensors N.
        source: Column that an edge leaves, int64 ``[E]``.
        target: Column that it enters, int64 ``[E]``.
        weight: float32 ``[E]``, all above zero.
        distance: Length in the unit of the file, float32 ``[E]``.
        position: Coordinates in km, float32 ``[N, 2]``.
        sensor_ids: Name of each node, where the file holds them.
        notes: What the reader did that the user should know.
    """

    num_nodes: int
    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    distance: np.ndarray | None = None
    position: np.ndarray | None = None
    sensor_ids: list[str] | None = None
    notes: tuple[str, ...] = field(default=())

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays of ``graph.npz`` by name."""
        arrays = {
            "num_nodes": np.array(self.num_nodes, dtype=np.int64),
            "source": self.source,
            "target": self.target,
            "weight": self.weight,
        }
        if self.distance is not None:
            arrays["distance"] = self.distance
        if self.position is not None:
            arrays["position"] = self.position
        return arrays


def graph_from_edges(
    num_nodes: int,
    source: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray,
    distance: np.ndarray | None,
    origin: str,
    **fields: Any,
) -> Graph:
    """Sort edges, drop those of weight zero, keep the last of repeated ones, and check the numbers.

    Args:
        num_nodes: Sensors N.
        source: ``[E]`` columns.
        target: ``[E]`` columns.
        weight: ``[E]``.
        distance: ``[E]`` or None.
        origin: The file, for the messages.
        fields: Further fields of ``Graph``.

    Raises:
        UserError: On a weight or distance that is negative or not finite.
    """
    with np.errstate(over="ignore"):
        weight = np.asarray(weight, dtype=np.float32)
        distance = None if distance is None else np.asarray(distance, dtype=np.float32)
    for what, numbers in (("weight", weight), ("distance", distance)):
        if numbers is None:
            continue
        bad = np.flatnonzero(~(np.isfinite(numbers) & (numbers >= 0)))
        if len(bad):
            raise UserError(
                f"{origin}: the {what} of edge {source[bad[0]]} -> {target[bad[0]]} is {numbers[bad[0]]}: "
                "expected a finite number that is not negative; write 0 where there is no edge"
            )
    notes = list(fields.pop("notes", ()))
    key = np.asarray(source, dtype=np.int64) * num_nodes + np.asarray(target, dtype=np.int64)
    unique, from_end = np.unique(key[::-1], return_index=True)
    chosen = len(key) - 1 - from_end
    if len(unique) < len(key):
        notes.append(f"{len(key) - len(unique)} repeated edges in {origin}: the last of each was kept")
    edges = chosen[weight[chosen] > 0]
    if len(edges) < len(chosen):
        notes.append(f"{len(chosen) - len(edges)} edges of weight 0 in {origin} are not edges")
    return Graph(
        num_nodes,
        key[edges] // num_nodes,
        key[edges] % num_nodes,
        weight[edges],
        None if distance is None else distance[edges],
        notes=tuple(notes),
        **fields,
    )


def graph_from_matrix(
    matrix: np.ndarray, num_nodes: int, origin: str, distance: np.ndarray | None = None, **fields: Any
) -> Graph:
    """Read the edges of a matrix ``[N, N]``, entry [source, target].

    Raises:
        UserError: If it is not N x N numbers, or one of them is negative or not finite.
    """
    check_matrix(matrix, num_nodes, origin)
    if distance is not None:
        check_matrix(distance, num_nodes, origin, "distance matrix")
    source, target = np.nonzero(matrix)  # NaN counts as an edge and is refused below
    return graph_from_edges(
        num_nodes,
        source,
        target,
        matrix[source, target],
        None if distance is None else distance[source, target],
        origin,
        **fields,
    )


def check_matrix(matrix: np.ndarray, num_nodes: int, origin: str, what: str = "matrix") -> None:
    """Check that a matrix is ``[N, N]`` numbers.

    Raises:
        UserError: If not.
    """
    if matrix.shape != (num_nodes, num_nodes) or matrix.dtype.kind not in "fiub":
        raise UserError(
            f"{origin}: the {what} has shape {matrix.shape} of {matrix.dtype}: expected numbers of "
            f"shape ({num_nodes}, {num_nodes}), one row and column per sensor"
        )


def align(graph: Graph, sensor_ids: list[str] | None, origin: str) -> Graph:
    """Bring a graph that names its nodes into the order of the columns.

    Raises:
        UserError: If the two sets of names differ.
    """
    if graph.sensor_ids is None or sensor_ids is None or graph.sensor_ids == sensor_ids:
        return graph
    in_data, in_graph = set(sensor_ids), set(graph.sensor_ids)
    only_data = [name for name in sensor_ids if name not in in_graph]
    only_graph = [name for name in graph.sensor_ids if name not in in_data]
    if only_data or only_graph:
        example = (
            f"sensor '{only_data[0]}' is only in the data"
            if only_data
            else f"sensor '{only_graph[0]}' is only in the graph"
        )
        raise UserError(
            f"{origin} and the data name different sensors ({example}): "
            "expected the same names; bring the graph that belongs to the data"
        )
    column = {name: index for index, name in enumerate(sensor_ids)}
    order = np.array([column[name] for name in graph.sensor_ids], dtype=np.int64)
    moved = graph_from_edges(
        graph.num_nodes,
        order[graph.source],
        order[graph.target],
        graph.weight,
        graph.distance,
        origin,
        notes=(*graph.notes, f"{origin} was brought into the order of the data's columns"),
    )
    position = graph.position
    return replace(moved, sensor_ids=sensor_ids, position=None if position is None else position[np.argsort(order)])


def count_components(graph: Graph) -> int:
    """Count the weakly connected components; a node without edges is one of them."""
    label = np.arange(graph.num_nodes)
    while True:
        before = label.copy()
        np.minimum.at(label, graph.target, before[graph.source])
        np.minimum.at(label, graph.source, before[graph.target])
        np.minimum.at(label, before, label.copy())  # the root of a label learns what its members learnt
        label = label[label]
        if np.array_equal(label, before):
            return len(np.unique(label))
