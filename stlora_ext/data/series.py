"""The rows of a prepared data set behind its three splits, put together again."""

from collections.abc import Sequence

import numpy as np


def joined(splits: Sequence[np.ndarray], windows: Sequence[int], first: int) -> np.ndarray:
    """Return the series that overlapping splits were cut from, from a row on.

    Args:
        splits: The rows of each split ``[rows, columns]``, in order; each holds those that its windows cover.
        windows: Windows of each split.
        first: The first row that is wanted.

    Returns:
        np.ndarray: ``[rows, columns]``; the last split's rows are all there.
    """
    parts, begin = [], 0
    for index, (rows, count) in enumerate(zip(splits, windows, strict=True)):
        own = rows if index == len(splits) - 1 else rows[:count]  # the rest is the next split's too
        parts.append(own[max(first - begin, 0) :])
        begin += count
    return np.concatenate(parts)
