"""Places for the nodes of a network: from latitude and longitude, from its edges, or on a grid."""

import math

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, shortest_path

_SWEEPS = 100
_FLAT = 1e-3  # share of the extent; nearer than this two nodes push each other by chance alone


_KM = 111.195  # of a degree of latitude


def project(positions: np.ndarray) -> np.ndarray:
    """Return places ``[N, 2]`` in km, east and north of the middle, of latitudes and longitudes in degrees.

    A degree of longitude is as long as at the middle latitude; a network across the date line stays together.
    """
    latitude, longitude = positions.T.astype(float)
    middle = (latitude.min() + latitude.max()) / 2
    east = (longitude - longitude[0] + 180) % 360 - 180
    east -= (east.min() + east.max()) / 2
    return np.stack([east * _KM * math.cos(math.radians(middle)), (latitude - middle) * _KM], axis=1)


def grid(num_nodes: int) -> np.ndarray:
    """Return places ``[N, 2]`` on a grid, row by row from the top."""
    width = math.ceil(math.sqrt(num_nodes))
    numbers = np.arange(num_nodes)
    return np.stack([numbers % width, -(numbers // width)], axis=1).astype(float)


def place_by_edges(num_nodes: int, edges: np.ndarray) -> np.ndarray:
    """Return places ``[N, 2]`` whose distances approximate the number of edges between nodes.

    Classical scaling gives each connected part its first places; then each sweep moves every node to the mean of where
    the others want it (majorisation of the stress, weights 1 / d²). The parts stand side by side, the largest first,
    single nodes last. No random number is drawn: the same graph gives the same places.

    Args:
        num_nodes: Nodes.
        edges: Pairs of nodes ``[E, 2]``.
    """
    matrix = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(num_nodes, num_nodes))
    count, part = connected_components(matrix, directed=False)
    hops = shortest_path(matrix, directed=False, unweighted=True)
    places = np.zeros((num_nodes, 2))
    sizes = np.bincount(part, minlength=count)
    boxes = []
    for number in np.lexsort((np.arange(count), -sizes)):
        members = np.flatnonzero(part == number)
        boxes.append((members, _place_part(hops[np.ix_(members, members)])))
    width = max(
        math.sqrt(sum(np.prod(np.ptp(xy, axis=0) + 2) for _, xy in boxes)) * 1.2,
        *(np.ptp(xy[:, 0]) + 2 for _, xy in boxes),
    )
    x = y = row = 0.0
    for members, xy in boxes:
        extent = np.ptp(xy, axis=0) + 2
        if x and x + extent[0] > width + 1e-9:
            x, y, row = 0.0, y - row, 0.0
        places[members] = xy - [xy[:, 0].min(), xy[:, 1].max()] + [x, y]
        x, row = x + extent[0], max(row, extent[1])
    return places.round(4)


def _place_part(hops: np.ndarray) -> np.ndarray:
    size = len(hops)
    if size == 1:
        return np.zeros((1, 2))
    centring = np.eye(size) - 1 / size
    values, vectors = np.linalg.eigh(-0.5 * centring @ hops**2 @ centring)
    xy = np.zeros((size, 2))
    for axis in range(min(2, size)):
        vector = vectors[:, -1 - axis]
        xy[:, axis] = vector * np.sign(vector[np.abs(vector).argmax()]) * math.sqrt(max(values[-1 - axis], 0.0))
    # Nodes with the same neighbours begin at the same place: apart a little, in the order of their numbers.
    angle = np.arange(size) * 2.399963
    xy += _FLAT * np.ptp(xy, axis=0).max() * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    weights = 1 / (hops + np.eye(size)) ** 2 - np.eye(size)
    total = weights.sum(axis=1, keepdims=True)
    for _ in range(_SWEEPS):
        # The others' places, each moved towards this node until the distance is the number of edges.
        apart = np.sqrt(np.maximum(((xy[:, None] - xy) ** 2).sum(axis=2), 1e-12))
        pull = weights * hops / apart
        xy = (weights @ xy + pull.sum(axis=1, keepdims=True) * xy - pull @ xy) / total
    return xy
