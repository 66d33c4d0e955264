"""Batches of input and target windows, gathered by index from one normalised tensor."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

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
    timestamps: torch.Tensor | None


class WindowBatches:
    """Iterable over batches of windows; one iteration is one epoch.

    Each batch is a dictionary: ``inputs [B, input_len, N]`` normalised, ``inputs_mask`` alike,
    ``targets [B, output_len, N]`` in the original unit, ``targets_mask`` alike, and, if the split has them,
    ``inputs_timestamps [B, input_len, 2]`` and ``targets_timestamps [B, output_len, 2]``. Without ``order``, targets
    and their mask are views of the split, not copies.

    Attributes:
        per_window: Tensors ``[windows, ...]`` by name, of which every batch gets its windows' rows.

    Args:
        split: The rows.
        input_len: Input steps.
        output_len: Forecast steps.
        batch_size: Windows per batch; the last batch may be smaller.
        order: Returns the order of the windows, given their number; None: as they lie.
        device: Where the batches go; default: where the split is.
    """

    sampler = None  # BasicTS asks its loaders for one

    def __init__(
        self,
        split: SplitTensors,
        input_len: int,
        output_len: int,
        batch_size: int,
        order: Callable[[int], torch.Tensor] | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.split, self.input_len, self.output_len = split, input_len, output_len
        self.batch_size, self.order = batch_size, order
        self.device = device or split.scaled.device
        self.per_window: dict[str, torch.Tensor] = {}
        self.num_windows = len(split.scaled) - input_len - output_len + 1

    def __len__(self) -> int:
        return -(-self.num_windows // self.batch_size)

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        if self.order is None:
            for begin in range(0, self.num_windows, self.batch_size):
                yield self.windows(slice(begin, min(begin + self.batch_size, self.num_windows)))
        else:
            for first in _sent(self.order(self.num_windows), self.split.scaled.device).split(self.batch_size):
                yield self.windows(first)

    def windows(self, first: slice | torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the batch of the windows that begin at the rows ``first``."""

        def inputs(table: torch.Tensor) -> torch.Tensor:
            return _take(table, first, 0, self.input_len).contiguous()  # for models that call view()

        def targets(table: torch.Tensor) -> torch.Tensor:
            return _take(table, first, self.input_len, self.output_len)

        split = self.split
        batch = {
            "inputs": inputs(split.scaled),
            "inputs_mask": inputs(split.mask),
            "targets": targets(split.original),
            "targets_mask": targets(split.mask),
        }
        if split.timestamps is not None:
            batch["inputs_timestamps"] = inputs(split.timestamps)
            batch["targets_timestamps"] = targets(split.timestamps).contiguous()
        batch = {name: _sent(tensor, self.device) for name, tensor in batch.items()}
        for name, tensor in self.per_window.items():
            batch[name] = tensor[first]
        return batch


def _sent(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return ``tensor`` on ``device``; nothing waits for the copy."""
    if tensor.device == device:
        return tensor
    return tensor.contiguous().pin_memory().to(device, non_blocking=True)


def _take(table: torch.Tensor, first: slice | torch.Tensor, offset: int, length: int) -> torch.Tensor:
    """Return ``[B, length, columns]``, the rows from ``offset`` after each of ``first`` on; of a slice, a view."""
    if isinstance(first, slice):
        return table[first.start + offset : first.stop + offset + length - 1].unfold(0, length, 1).transpose(1, 2)
    rows = first[:, None] + torch.arange(offset, offset + length, device=first.device)
    return table.index_select(0, rows.reshape(-1)).view(*rows.shape, table.shape[1])
