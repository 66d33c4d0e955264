"""A data set that isn't there: its description, and a ring for a graph, to build models of its size."""

from pathlib import Path

import numpy as np

from stlora_ext.data.prepared import Meta


def ring_meta(folder: Path, name: str, num_nodes: int, interval: int = 5, null_val: float = 0.0) -> Meta:
    """Write the ring ``folder/name/graph.npz`` and return the description of a data set with windows of 12 and 12.

    Args:
        folder: What stands for the folder of data sets.
        name: The data set's.
        num_nodes: Its nodes.
        interval: Minutes of a step.
        null_val: The reading that means missing.
    """
    nodes = np.arange(num_nodes)
    (folder / name).mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / name / "graph.npz",
        num_nodes=num_nodes,
        source=nodes,
        target=np.roll(nodes, -1),
        weight=np.ones(num_nodes),
    )
    steps = 1440 // interval
    return Meta(name, 7 * steps, num_nodes, interval, steps, "2024-01-01", null_val, 12, 12, {}, [], True, "")
