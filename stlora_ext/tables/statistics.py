"""Statistics over repeated seeds."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class MeanStd:
    """Mean and sample standard deviation of a score over runs.

    Attributes:
        mean: Mean; None where a run has no such score.
        std: Standard deviation with n - 1; None for one run, 0 where no seed changes the result.
        count: Runs.
    """

    mean: float | None
    std: float | None
    count: int


def spread(values: Sequence[float | None], deterministic: bool = False) -> MeanStd:
    """Return mean and std of ``values``, one per run."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return MeanStd(None, None, len(values))
    if deterministic:
        return MeanStd(known[0], 0.0, len(known))
    return MeanStd(statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else None, len(known))
