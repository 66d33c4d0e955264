"""The graph of a prepared data set, and the support matrices that graph convolutions use."""

import numpy as np
import torch


def read_graph(path: str | None, model: str) -> np.ndarray:
    """Read the graph of a prepared data set.

    Args:
        path: ``graph.npz`` with ``num_nodes``, ``source``, ``target``, ``weight``.
        model: Who asks, for the message.

    Returns:
        np.ndarray: Weights ``[num_nodes, num_nodes]`` by [source, target], float32.

    Raises:
        ValueError: If there is no graph, or it is damaged.
    """
    if path is None:
        raise ValueError(f"{model} needs the data set's graph, and it has none: prepare it with --graph")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as graph:
            num_nodes = int(graph["num_nodes"])
            adjacency = np.zeros((num_nodes, num_nodes), dtype=np.float32)
            adjacency[graph["source"], graph["target"]] = graph["weight"]
    except Exception as error:  # a damaged archive raises almost anything
        raise ValueError(f"the graph {path} cannot be read ({str(error)[:200]}): prepare the data set again") from None
    return adjacency


def transition_matrices(adjacency: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ``(D_out^-1 A)^T`` and ``(D_in^-1 A^T)^T``; the inverse degree of an isolated node is 0."""

    def transposed_walk(matrix: np.ndarray) -> torch.Tensor:
        degree = matrix.sum(axis=1)
        inverse = np.divide(1.0, degree, out=np.zeros_like(degree), where=degree > 0)
        return torch.from_numpy((inverse[:, None] * matrix).T.astype(np.float32).copy())

    return transposed_walk(adjacency), transposed_walk(adjacency.T)


def normalized_laplacian(adjacency: np.ndarray) -> torch.Tensor:
    """Return ``I - D^-1/2 A D^-1/2``, unscaled, of the symmetrised A (element-wise maximum of A and its transpose)."""
    symmetric = np.maximum(adjacency, adjacency.T)
    degree = symmetric.sum(axis=1)
    root = np.divide(1.0, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0)
    laplacian = np.eye(len(symmetric)) - root[:, None] * symmetric * root
    return torch.from_numpy(laplacian.astype(np.float32))
