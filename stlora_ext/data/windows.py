"""Batches of input and target windows, gathered by index from one normalised tensor."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Optional

import torch


@dataclass(frozen=True)
class SplitTensors:
    """One split, ready to be cut into windows.

    Attributes:
        scaled: Normalised readings ``[rows, num_nodes]``, 0 where missing.
        original: Readings in their own unit, same shape, 0 where missing.
        mask: True where a reading is there, same shape.
        timestamps: Time of day and day of week ``[rows, 2]``; None: the model gets none.
    """

    scaled: torch.Tensor
    original: torch.Tensor
    mask: torch.Tensor
    timestamps: Optional[torch.Tensor]

    def to(self, device: torch.device) -> "SplitTensors":
        """Return the split on ``device``."""
        return SplitTensors(*(None if tensor is None else tensor.to(device)
                              for tensor in (self.scaled, self.original, self.mask, self.timestamps)))


class WindowBatches:
    """Iterable over batches of windows; one iteration is one epoch.

    Each batch is a dictionary: ``inputs [B, input_len, N]`` normalised, ``inputs_mask`` alike,
    ``targets [B, output_len, N]`` in the original unit, ``targets_mask`` alike, and, if the split has them,
    ``inputs_timestamps [B, input_len, 2]`` and ``targets_timestamps [B, output_len, 2]``.

    Attributes:
        per_window: Tensors ``[windows, ...]`` by name, of which every batch gets its windows' rows.

    Args:
        split: The rows.
        input_len: Input steps.
        output_len: Forecast steps.
        batch_size: Windows per batch; the last batch may be smaller.
        order: Returns the order of the windows, given their number; None: as they lie.
    """

    sampler = None  # BasicTS asks its loaders for one

    def __init__(self, split: SplitTensors, input_len: int, output_len: int, batch_size: int,
                 order: Optional[Callable[[int], torch.Tensor]] = None) -> None:
        self.split, self.input_len, self.output_len = split, input_len, output_len
        self.batch_size, self.order = batch_size, order
        self.per_window: dict[str, torch.Tensor] = {}
        self.num_windows = len(split.scaled) - input_len - output_len + 1

    def __len__(self) -> int:
        return -(-self.num_windows // self.batch_size)

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        device = self.split.scaled.device
        starts = torch.arange(self.num_windows) if self.order is None else self.order(self.num_windows)
        for first in starts.to(device).split(self.batch_size):
            yield self._gather(first)

    def _gather(self, first: torch.Tensor) -> dict[str, torch.Tensor]:
        steps = torch.arange(self.input_len + self.output_len, device=first.device)
        rows = first[:, None] + steps
        inputs, targets = rows[:, :self.input_len], rows[:, self.input_len:]
        split = self.split
        batch = {"inputs": _take(split.scaled, inputs), "inputs_mask": _take(split.mask, inputs),
                 "targets": _take(split.original, targets), "targets_mask": _take(split.mask, targets)}
        if split.timestamps is not None:
            batch["inputs_timestamps"] = _take(split.timestamps, inputs)
            batch["targets_timestamps"] = _take(split.timestamps, targets)
        for name, tensor in self.per_window.items():
            batch[name] = tensor.index_select(0, first)
        return batch


def _take(table: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    return table.index_select(0, rows.reshape(-1)).view(*rows.shape, table.shape[1])
