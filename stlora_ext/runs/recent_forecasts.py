"""A frozen backbone's forecasts of the recent windows, each made once."""

from collections.abc import Callable
from typing import overload

import torch


class RecentForecasts:
    """Forecasts of the last windows of a series, made in blocks as the series goes on; older ones are forgotten.

    Blocks lie at multiples of ``size`` from ``origin``, so that the same windows are computed together whenever a run
    began.

    Args:
        make: Returns the forecasts ``[windows, steps, N]`` of the windows from one number to another.
        origin: A window that a block begins with.
        size: Windows of a block.
        first: The first window that is asked for.
        kept: How many windows before the newest are asked for.
        end: The end of all windows.
    """

    def __init__(
        self, make: Callable[[int, int], torch.Tensor], origin: int, size: int, first: int, kept: int, end: int
    ) -> None:
        self._make, self._origin, self._size, self._end = make, origin, size, end
        self._capacity = (kept // size + 3) * size
        first = max(first, 0)
        self._next = first - (first - origin) % size  # begins a block
        self._stored: torch.Tensor | None = None

    def extend(self, end: int) -> None:
        """Make the forecasts of all windows before ``end`` that aren't made yet."""
        while self._next < end:
            begin, stop = max(self._next, 0), min(self._next + self._size, self._end)
            forecasts = self._make(begin, stop)
            if self._stored is None:
                self._stored = forecasts.new_empty(self._capacity, *forecasts.shape[1:])
            at = self._place(begin)
            self._stored[at : at + len(forecasts)] = forecasts
            self._next += self._size

    def of(self, windows: torch.Tensor) -> torch.Tensor:
        """Return the forecasts of windows that have been made."""
        assert self._stored is not None
        return self._stored[self._place(windows).to(self._stored.device)]

    @overload
    def _place(self, window: int) -> int: ...
    @overload
    def _place(self, window: torch.Tensor) -> torch.Tensor: ...
    def _place(self, window: int | torch.Tensor) -> int | torch.Tensor:
        return (window - self._origin) % self._capacity
