"""A road network in which every node has the same number of upstream nodes."""

from dataclasses import dataclass

import numpy as np

from stlora_ext.preparation.graph import Graph, graph_from_edges

_SPACING = 5.0  # km between neighbouring stations


@dataclass(frozen=True)
class Network:
    """Upstream relations of N nodes, k each.

    Attributes:
        upstream: Node that each node is fed by, int64 ``[N, k]``.
        distance: Road length of that relation in km, float32 ``[N, k]``.
        position: Coordinates in km, float32 ``[N, 2]``.
    """

    upstream: np.ndarray
    distance: np.ndarray
    position: np.ndarray

    def graph(self) -> Graph:
        """Return the relations as directed edges of weight 1, from the upstream node."""
        num_nodes, degree = self.upstream.shape
        return graph_from_edges(
            num_nodes,
            self.upstream.ravel(),
            np.repeat(np.arange(num_nodes), degree),
            np.ones(num_nodes * degree),
            self.distance.ravel(),
            "the simulated network",
            position=self.position,
        )


def make_network(num_nodes: int, heterogeneity: float, rng: np.random.Generator) -> Network:
    """Lay stations along one long road folded into rows, with links between neighbouring rows.

    Every node is fed by its predecessor on the road and by one node about a row before. At heterogeneity 0 the
    network looks the same from every node (node i is fed by i - 1 and i - width, modulo N): not even the
    neighbourhood tells two nodes apart. Above 0, roads differ in length and links come from other nodes.

    Args:
        num_nodes: N, at least 3.
        heterogeneity: Strength H of the differences, 0 to 1.
        rng: Source of randomness.
    """
    width = max(2, round(num_nodes**0.5))
    nodes = np.arange(num_nodes)
    reach = max(1, width // 2)
    shift = np.round(heterogeneity * rng.uniform(-reach, reach, num_nodes)).astype(np.int64)
    back = np.clip(width + shift, 2, num_nodes - 1)
    upstream = np.stack([(nodes - 1) % num_nodes, (nodes - back) % num_nodes], axis=1)
    length = _SPACING * np.exp(heterogeneity * rng.normal(0, 0.4, (num_nodes, 2)))
    jitter = heterogeneity * rng.uniform(-0.3, 0.3, (num_nodes, 2))
    position = _SPACING * (np.stack([nodes % width, nodes // width], axis=1) + jitter)
    return Network(upstream, length.astype(np.float32), position.astype(np.float32))
