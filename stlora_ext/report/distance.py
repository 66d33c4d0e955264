"""How far a node is from the average node of its network, by training data alone."""

import numpy as np
from scipy.stats import spearmanr

from stlora_ext.data.prepared import missing

DEFINITION = (
    "Distance: take the readings of the training split, minus their mean and divided by their standard "
    "deviation, both of the whole network; average each node's by time of day; the average node is the mean "
    "of these daily profiles over the nodes; a node's distance is the root mean square over the day of its "
    "profile minus that of the average node."
)


def distance_from_average(
    values: np.ndarray, time_of_day: np.ndarray, steps_per_day: int, null_val: float
) -> np.ndarray:
    """Return each node's distance from the average node.

    With z the readings scaled by the network's one mean and standard deviation, p_i(t) the mean of node i's z at time
    of day t and p(t) the mean of p_i(t) over nodes: distance_i = sqrt(mean_t (p_i(t) - p(t))²). Missing readings don't
    count, nor do times of day at which a node has none.

    Args:
        values: Training readings ``[rows, N]``.
        time_of_day: Of each row, in [0, 1).
        steps_per_day: Rows per day.
        null_val: The reading that means missing.

    Returns:
        np.ndarray: ``[N]``; NaN for a node without a reading.
    """
    here = ~missing(values, null_val)
    readings = values[here].astype(float)
    mean, std = (readings.mean(), readings.std()) if readings.size else (0.0, 0.0)
    scaled = np.where(here, (values - mean) / (std or 1.0), 0.0)
    slots = np.rint(time_of_day.astype(float) * steps_per_day).astype(int) % steps_per_day
    total, count = np.zeros((steps_per_day, values.shape[1])), np.zeros((steps_per_day, values.shape[1]))
    np.add.at(total, slots, scaled)
    np.add.at(count, slots, here)
    profile = _mean(total, count)
    known = ~np.isnan(profile)
    average = _mean(np.where(known, profile, 0.0).sum(axis=1), known.sum(axis=1))
    apart = np.where(known, (profile - average[:, None]) ** 2, 0.0)
    return np.sqrt(_mean(apart.sum(axis=0), known.sum(axis=0)))


def _mean(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> tuple[float, float, int] | None:
    """Return Spearman's rank correlation, its two-sided p-value and the nodes behind it.

    None where fewer than three nodes have both values, or one of the two is the same for all.
    """
    both = np.isfinite(first) & np.isfinite(second)
    first, second = first[both], second[both]
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    test = spearmanr(first, second)
    return float(test.statistic), float(test.pvalue), len(first)
