"""What a graph file says before it is a graph: pairs of columns, each with the numbers that the file gives it."""

from dataclasses import dataclass, replace

import numpy as np

from stlora_ext.errors import UserError
from stlora_ext.preparation.graph import Graph, graph_from_edges

_NEARLY_ALL = 0.8  # of the pairs of sensors
_MIDDLES = 200  # nodes that the triangle inequality is tried with
_TELLING = 4  # nodes from which on numbers rarely obey it by chance
_LARGEST = 1 + 1e-6  # weight of a kernel


@dataclass(frozen=True)
class Links:
    """Pairs of columns as a file lists them; of a matrix, its entries that aren't 0.

    Attributes:
        origin: The file.
        num_nodes: Columns of the data N.
        source: Column that a link leaves, int64 ``[E]``.
        target: Column that it enters, int64 ``[E]``.
        weight: Numbers that the file calls weights ``[E]``.
        distance: Numbers that the file calls distances ``[E]``.
        unnamed: Numbers without a name ``[E]``: a third column, or the entries of a matrix.
        is_matrix: Whether they come from a matrix.
        sensor_ids: Names of the nodes in the order of the columns, where the file has them for all.
        notes: What the reader did that the user should know.
    """

    origin: str
    num_nodes: int
    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray | None = None
    distance: np.ndarray | None = None
    unnamed: np.ndarray | None = None
    is_matrix: bool = False
    sensor_ids: list[str] | None = None
    notes: tuple[str, ...] = ()


def graph_of(links: Links, option: str) -> Graph:
    """Make the graph of links whose numbers are weights; a distance alone makes an edge of weight 1.

    Args:
        links: As the file has them.
        option: How the file is given as distances, such as ``--distances roads.csv``.

    Raises:
        UserError: If the numbers look like distances, naming the evidence, or a number can't be used.
    """
    notes = list(links.notes)
    origin, weight, distance = links.origin, links.weight, links.distance
    if weight is None and links.unnamed is not None:
        weight = links.unnamed
        if not links.is_matrix:
            notes.append(f"the third column of {origin}, which has no name, is read as weights")
        notes += refuse_distances(links.source, links.target, weight, links.num_nodes, origin, option)
    elif weight is not None:
        notes += refuse_distances(
            links.source, links.target, weight, links.num_nodes, origin, option, called_weights=True
        )
    elif distance is not None:
        _refuse_all_pairs(links, option)
        notes.append(
            f"{origin} has distances and no weights: every edge weighs 1 and keeps its distance; --distances in the "
            "place of --graph makes weights of the distances"
        )
    weight = np.ones(len(links.source)) if weight is None else weight
    graph = graph_from_edges(links.num_nodes, links.source, links.target, weight, distance, origin, notes=notes)
    return replace(graph, sensor_ids=links.sensor_ids)


def refuse_distances(
    source: np.ndarray,
    target: np.ndarray,
    values: np.ndarray,
    num_nodes: int,
    origin: str,
    option: str,
    called_weights: bool = False,
) -> list[str]:
    """Refuse numbers that look like distances where weights are expected: the farthest nodes would weigh most.

    Args:
        source: ``[E]`` columns.
        target: ``[E]`` columns.
        values: ``[E]``.
        num_nodes: Columns N.
        origin: The file, for the message.
        option: How the file is given as distances.
        called_weights: Whether the file calls them weights; then numbers beyond 1 between a few pairs are weights.

    Returns:
        A note where they might be distances all the same.

    Raises:
        UserError: If they do.
    """
    apart = source != target
    between = values[apart]
    if not len(between) or np.isnan(values).any() or (values < 0).any():
        return []  # bad numbers are refused by the graph
    all_pairs = _share_of_pairs(source, target, num_nodes) >= _NEARLY_ALL
    beyond = bool(between.max() > _LARGEST)
    metric = all_pairs and not beyond and _is_metric(source, target, values, num_nodes)
    note = [f"weights of {origin} reach {between.max():g}; if they are distances, give them with --distances"]
    if (values[~apart] > 0).any():  # no place lies at a distance from itself
        return note * beyond
    if np.isinf(between).any() and not called_weights:
        why = "some are infinite"
    elif beyond and (all_pairs or not called_weights):
        why = f"they reach {between.max():g}" + " and link nearly all pairs" * all_pairs
    elif metric and num_nodes >= _TELLING and _is_symmetric(source, target, values, num_nodes):
        why = "they link nearly all pairs, both ways alike, and no way round is shorter than the direct one"
    else:
        return note * (beyond or metric)
    raise UserError(
        f"the numbers of {origin} look like distances: {why}, and no sensor has a positive one to itself. As weights "
        f"the farthest sensors would be coupled most; give {option}, or, if they are weights, divide them by the "
        "largest and give every sensor 1 to itself"
    )


def _refuse_all_pairs(links: Links, option: str) -> None:
    share = _share_of_pairs(links.source, links.target, links.num_nodes)
    if share >= _NEARLY_ALL:
        raise UserError(
            f"{links.origin} gives the distances of {100 * share:.0f} % of all pairs of sensors: with every edge of "
            f"weight 1 the graph would be complete; give {option}, or keep only the edges that are roads"
        )


def _share_of_pairs(source: np.ndarray, target: np.ndarray, num_nodes: int) -> float:
    """Return the share of the unordered pairs of nodes that are linked; 0 for fewer than 3 nodes."""
    if num_nodes < 3:
        return 0.0
    low, high = np.minimum(source, target), np.maximum(source, target)
    linked = np.unique((low * num_nodes + high)[low != high])
    return len(linked) / (num_nodes * (num_nodes - 1) / 2)


def _is_symmetric(source: np.ndarray, target: np.ndarray, values: np.ndarray, num_nodes: int) -> bool:
    """Tell whether both directions of a pair have the same number, where both have one."""
    matrix = np.full((num_nodes, num_nodes), np.nan)
    matrix[source, target] = values
    both = np.isfinite(matrix) & np.isfinite(matrix.T)
    return np.allclose(matrix[both], matrix.T[both])


def _is_metric(source: np.ndarray, target: np.ndarray, values: np.ndarray, num_nodes: int) -> bool:
    """Tell whether numbers of all pairs obey the triangle inequality where it says something."""
    matrix = np.full((num_nodes, num_nodes), np.inf)
    matrix[source, target] = values
    matrix = np.minimum(matrix, matrix.T)
    np.fill_diagonal(matrix, 0)
    off = matrix[~np.eye(num_nodes, dtype=bool)]
    if 2 * off.min() >= off[np.isfinite(off)].max():
        return False  # any such numbers obey it
    middles = np.linspace(0, num_nodes - 1, min(num_nodes, _MIDDLES)).astype(int)
    known = np.isfinite(matrix)
    return all((matrix <= matrix[:, [k]] + matrix[[k]] + 1e-6)[known].all() for k in middles)
