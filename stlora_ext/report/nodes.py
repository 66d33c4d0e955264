"""The error of every node, "+" against base, over runs that belong together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stlora_ext.runs.record import Record
from stlora_ext.tables.pairs import Block, Comparison


@dataclass(frozen=True)
class NodeErrors:
    """Mean MAE of every node over pairs of runs.

    Attributes:
        label: The "+", its protocol and its arm.
        base: Base ``[N]``; NaN where a node has no target.
        plus: The "+" ``[N]``.
        pairs: Pairs of runs.
    """

    label: str
    base: np.ndarray
    plus: np.ndarray
    pairs: int

    @property
    def difference(self) -> np.ndarray:
        """Plus minus base ``[N]``: below 0 the node gains."""
        return self.plus - self.base

    @property
    def percent(self) -> np.ndarray:
        """The difference in percent of base ``[N]``."""
        return 100 * np.divide(self.difference, self.base, out=np.full(len(self.base), np.nan), where=self.base > 0)


def node_errors(arranged: Sequence[Block]) -> tuple[list[NodeErrors], list[str]]:
    """Return the errors of every comparison, and the labels of those whose records hold none."""
    errors, without = [], []
    for block in arranged:
        for comparison in block.comparisons:
            label = f"{comparison.label}: {block.title}"
            means = _means(comparison)
            if means is None:
                without.append(label)
            else:
                errors.append(NodeErrors(label, *means, len(comparison.pairs)))
    return errors, without


def _means(comparison: Comparison) -> tuple[np.ndarray, np.ndarray] | None:
    sides = [
        [errors for record in side if (errors := _errors(record)) is not None]
        for side in zip(*comparison.pairs, strict=True)
    ]
    if any(len(side) < len(comparison.pairs) for side in sides):
        return None
    base, plus = (np.mean(side, axis=0) for side in sides)
    return base, plus


def _errors(record: Record) -> np.ndarray | None:
    values = (record.scores.nodes or {}).get("MAE")
    if values is None or len(values) != record.data.num_nodes:
        return None
    return np.array([np.nan if value is None else value for value in values], dtype=float)
