"""Which nodes the forecasts are shown at."""

from collections.abc import Sequence

import numpy as np

from stlora_ext.errors import UserError, nearest
from stlora_ext.report.nodes import NodeErrors
from stlora_ext.report.prepared import Prepared


def named_nodes(dataset: str, names: Sequence[str], prepared: Prepared) -> dict[int, str]:
    """Return the nodes that ``names`` mean, ids first, then numbers from 0 on; each with nothing to say.

    Raises:
        UserError: If one is neither.
    """
    ids = {name: node for node, name in enumerate(prepared.ids)}
    chosen = {}
    for name in names:
        number = int(name) if name.isascii() and name.isdigit() else None
        node = ids.get(name, number)
        if node is None or node >= prepared.num_nodes:
            hint = nearest(name, ids)
            guess = f"{hint} " if hint.startswith("did you mean") else ""
            raise UserError(
                f"{dataset} has no node '{name}': {guess}expected an id, or a number from 0 to {prepared.num_nodes - 1}"
            )
        chosen[node] = ""
    return chosen


def notable_nodes(errors: Sequence[NodeErrors], prepared: Prepared) -> dict[int, str]:
    """Return the node with the largest gain, the one with the largest loss, and the most average one, and why.

    Gain and loss are those of the first comparison, which the reader sees first.
    """
    reasons: dict[int, list[str]] = {}

    def add(node: int, why: str) -> None:
        reasons.setdefault(node, []).append(why)

    difference = errors[0].difference if errors else np.empty(0)
    if np.isfinite(difference).any():
        for node, sign, why in (
            (np.nanargmin(difference), -1, "gains most"),
            (np.nanargmax(difference), 1, "loses most"),
        ):
            if difference[node] * sign > 0:
                add(int(node), why)
    distances = prepared.distances
    if distances is not None and np.isfinite(distances).any():
        add(int(np.nanargmin(distances)), "nearest to the average node")
    return {node: ", ".join(why) for node, why in reasons.items()} or {0: ""}
