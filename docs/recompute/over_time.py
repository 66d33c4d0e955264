"""Intervals over time, of the error sums of the periods that a stream's records hold.

A draw puts the test together again from blocks of consecutive periods, the same for all runs; the interval holds
the middle 95 % of 10,000 draws. The generator is seeded as the tables' is, so the digits are theirs.
"""

from collections.abc import Sequence

import numpy as np

from .records import Run, model, runs

DRAWS, DAY = 10_000, 1440


def drawn(dataset: str, backbone: str, arms: Sequence[str], folder: str = "", block: int = 7) -> list[np.ndarray]:
    """Return the average MAE of each arm in every draw, ``[seeds, draws]``, over the seeds that all of them have.

    Args:
        dataset: Name.
        backbone: Name.
        arms: Of protocol ``stream``.
        folder: Of the records, in ``results/published``.
        block: Days.
    """
    found = [runs(dataset, model(backbone, arm), arm, "stream", folder) for arm in arms]
    seeds = sorted(set.intersection(*(set(of) for of in found)), key=str)
    return [_scores([of[seed] for seed in seeds], block) for of in found]


def _scores(found: Sequence[Run], block: int) -> np.ndarray:
    sums = [run["test"]["periods"] for run in found]
    if any(of["every"] * run["data"]["interval"] != DAY for run, of in zip(found, sums, strict=True)):
        raise SystemExit("error: expected periods of a day")
    periods = len(sums[0]["count"])
    starts = np.random.default_rng(0).integers(0, periods - block + 1, (DRAWS, -(-periods // block)))
    rows = (starts[:, :, None] + np.arange(block)).reshape(DRAWS, -1)[:, :periods]
    return np.stack([np.array(of["absolute"])[rows].sum(1) / np.array(of["count"])[rows].sum(1) for of in sums])


def middle(values: np.ndarray) -> tuple[float, float]:
    """Return the ends of the middle 95 % of the draws."""
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)
