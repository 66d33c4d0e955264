"""Intervals over time, of the error sums of the periods that a stream's records hold.

A draw puts the test together again from blocks of consecutive periods, 7 days each, the same for all runs; the interval
holds the middle 95 % of 10,000 draws. The generator is seeded as the tables' is, so the digits are theirs.
"""

import numpy as np

from .records import model, runs

DRAWS, BLOCK = 10_000, 7  # of a period a day


def drawn(dataset: str, backbone: str, arm: str, folder: str) -> np.ndarray:
    """Return the average MAE of an arm in every draw, ``[seeds, draws]``."""
    found = runs(dataset, model(backbone, arm), arm, "stream", folder)
    sums = [found[seed]["test"]["periods"] for seed in sorted(found, key=str)]
    periods = len(sums[0]["count"])
    starts = np.random.default_rng(0).integers(0, periods - BLOCK + 1, (DRAWS, -(-periods // BLOCK)))
    rows = (starts[:, :, None] + np.arange(BLOCK)).reshape(DRAWS, -1)[:, :periods]
    return np.stack([np.array(of["absolute"])[rows].sum(1) / np.array(of["count"])[rows].sum(1) for of in sums])


def middle(values: np.ndarray) -> tuple[float, float]:
    """Return the ends of the middle 95 % of the draws."""
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)
