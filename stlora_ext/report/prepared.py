"""What a prepared data set adds to its records: names of the nodes, their places, their usual days."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from stlora_ext.data.plain_arrays import load_npy
from stlora_ext.data.prepared import POSITIONS, Meta, load_meta, load_split
from stlora_ext.errors import UserError
from stlora_ext.report.distance import distance_from_average
from stlora_ext.report.placement import grid, place_by_edges, project
from stlora_ext.runs.record import Record
from stlora_ext.runs.reopen import OTHER_DATA_REMEDY
from stlora_ext.runs.same_data import refuse_other_data


@dataclass(frozen=True)
class Network:
    """Where nodes are drawn.

    Attributes:
        xy: Their places ``[N, 2]``.
        edges: Pairs of nodes ``[E, 2]``, each once.
        kind: What the places are, a sentence.
    """

    xy: np.ndarray
    edges: np.ndarray
    kind: str


@dataclass(frozen=True)
class Prepared:
    """The data behind records, as far as they are there.

    Attributes:
        num_nodes: Sensors.
        folder: Folder of the prepared data sets.
        meta: The data set; None where it isn't there or isn't the records'.
        absent: Then, why, and what brings it.
    """

    num_nodes: int
    folder: Path
    meta: Meta | None
    absent: str = ""

    @property
    def ids(self) -> list[str]:
        """The nodes' names, or their numbers where these are unknown."""
        return self.meta.sensor_ids if self.meta else [str(node) for node in range(self.num_nodes)]

    @cached_property
    def distances(self) -> np.ndarray | None:
        """Each node's distance from the average node ``[N]``; None without data."""
        if self.meta is None:
            return None
        values, stamps = load_split(self.folder, self.meta, "train")
        return distance_from_average(values, stamps[:, 0], self.meta.steps_per_day, self.meta.null_val)

    @cached_property
    def network(self) -> Network:
        """The nodes' places: the data set's, else made from its graph, else a grid."""
        if self.meta is None:
            return self._grid("the prepared data set isn't there")
        graph = self._graph(self.meta) if self.meta.has_graph else None
        positions = self._positions(self.meta)
        if graph is None and positions is None:
            return self._grid("the data set has no graph")
        edges = np.empty((0, 2), int)
        if graph is not None:
            edges = np.unique(np.sort(np.stack([graph["source"], graph["target"]], axis=1).astype(int), axis=1), axis=0)
            edges = edges[edges[:, 0] != edges[:, 1]]
        if positions is not None:
            return Network(project(positions), edges, "A map, north above: the sensors' latitudes and longitudes.")
        assert graph is not None
        if "position" in graph:
            return Network(graph["position"].astype(float), edges, "A map: the nodes' coordinates.")
        return Network(
            place_by_edges(self.num_nodes, edges),
            edges,
            "A layout of the graph, no map: the data set has "
            "no coordinates; distances approximate the number of edges between two nodes.",
        )

    def _grid(self, why: str) -> Network:
        return Network(
            grid(self.num_nodes), np.empty((0, 2), int), f"A grid in the order of the nodes' numbers, no map: {why}."
        )

    def _positions(self, meta: Meta) -> np.ndarray | None:
        path = self.folder / meta.name / POSITIONS
        if not path.is_file():
            return None
        try:
            positions = load_npy(path)
            if positions.shape != (self.num_nodes, 2) or not np.isfinite(positions).all():
                raise ValueError(f"{positions.dtype} of shape {positions.shape}")
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"the positions {path} cannot be read ({error}): prepare the data set again") from None
        return positions

    def _graph(self, meta: Meta) -> dict[str, np.ndarray]:
        path = self.folder / meta.name / "graph.npz"
        try:
            with np.load(path, allow_pickle=False) as file:
                graph = {name: file[name] for name in ("source", "target", "position") if name in file}
            if {graph["source"].shape, graph["target"].shape} != {(len(graph["source"]),)}:
                raise ValueError("source and target differ")
            if "position" in graph and graph["position"].shape != (self.num_nodes, 2):
                raise ValueError(f"position has shape {graph['position'].shape}")
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise UserError(f"the graph {path} cannot be read ({error}): prepare the data set again") from None
        return graph


def open_prepared(records: Sequence[Record], folder: Path) -> Prepared:
    """Open the data set behind ``records``, which are of one; what isn't there is told, not made.

    Args:
        records: The records.
        folder: Folder of the prepared data sets.
    """
    dataset, data = records[0].key.dataset, records[0].data
    try:
        meta = load_meta(folder, dataset)
        refuse_other_data(data.given, meta, f"this part of the records of {dataset}", OTHER_DATA_REMEDY)
    except UserError as error:
        return Prepared(data.num_nodes, folder, None, str(error))
    return Prepared(data.num_nodes, folder, meta)
