"""A data set as one series: its splits put together again, and windows that are numbered over all of it."""

from collections.abc import Sequence

import numpy as np
import torch

from stlora_ext.data.windows import SplitTensors, WindowBatches


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


class Series:
    """The rows of a series, cut into windows that are numbered by their first row.

    Args:
        split: The rows from ``first`` on.
        input_len: Input steps.
        output_len: Forecast steps.
        first: Number of the first of these rows.
        device: Where batches go.
    """

    def __init__(self, split: SplitTensors, input_len: int, output_len: int, first: int, device: torch.device) -> None:
        self.input_len, self.output_len, self.first = input_len, output_len, first
        self.num_nodes = split.scaled.shape[1]
        self._batches = WindowBatches(split, input_len, output_len, 1, device=device)
        there = torch.cat([torch.zeros(1, dtype=torch.long), split.mask.any(dim=1).cpu().long().cumsum(0)])
        targets = there[input_len + output_len :] - there[input_len:-output_len]
        self._has_target = targets > 0

    def with_target(self, begin: int, end: int) -> torch.Tensor:
        """Return the windows from ``begin`` to ``end`` that have a target, as numbers."""
        begin, end = max(begin, self.first) - self.first, max(end - self.first, 0)
        return self._has_target[begin:end].nonzero()[:, 0] + begin + self.first

    def batch(self, windows: slice | torch.Tensor) -> dict[str, torch.Tensor]:
        """Return windows as a model gets them, see ``WindowBatches``."""
        if isinstance(windows, slice):
            return self._batches.windows(slice(windows.start - self.first, windows.stop - self.first))
        return self._batches.windows((windows - self.first).to(self._batches.split.scaled.device))
