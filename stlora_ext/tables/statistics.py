"""Statistics over repeated seeds."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class MeanStd:
    """Mean and sample standard deviation of a figure over runs.

    Attributes:
        mean: Mean; None where a run has no such figure.
        std: Standard deviation with n - 1; None for one run, 0 where no seed changes the result.
        count: Runs.
    """

    mean: Optional[float]
    std: Optional[float]
    count: int


def spread(values: Sequence[Optional[float]], deterministic: bool = False) -> MeanStd:
    """Return mean and std of ``values``, one per run."""
    if any(value is None for value in values):
        return MeanStd(None, None, len(values))
    if deterministic:
        return MeanStd(values[0], 0.0, len(values))
    return MeanStd(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))
