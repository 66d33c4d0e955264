"""The graph of a prepared data set as the models read it."""

from pathlib import Path

import numpy as np

from baselines.supports import read_graph
from stlora_ext.data.prepared import Meta


def load_adjacency(root: Path, meta: Meta) -> np.ndarray:
    """Return the weights ``[N, N]`` by [source, target]."""
    return read_graph(str(root / meta.name / "graph.npz"), meta.name)
