"""One split as normalised tensors: on the device if they fit, else in memory, else in a file that is mapped."""

import os
import tempfile
from pathlib import Path

import numpy as np
import torch

from stlora_ext.data.windows import SplitTensors
from stlora_ext.host.free_memory import free_bytes
from stlora_ext.host.scaler import ROWS, GlobalZScoreScaler, observed

_SHARE = 0.5  # of what is free; the rest is for the model and its steps
_DTYPES = (torch.float32, torch.float32, torch.bool)  # scaled, original, mask


def place_split(
    values: np.ndarray,
    timestamps: np.ndarray | None,
    scaler: GlobalZScoreScaler,
    null_val: float,
    device: torch.device,
    folder: Path,
) -> SplitTensors:
    """Normalise a split and put it where there is room.

    Args:
        values: Readings ``[rows, num_nodes]``, possibly a memory map.
        timestamps: ``[rows, 2]`` or None.
        scaler: A fitted scaler.
        null_val: The reading that means missing.
        device: Where the model runs.
        folder: Where a file may lie that holds what doesn't fit into memory; it is gone with the process.

    Raises:
        OSError: If it doesn't fit there either.
    """
    home = _home(_num_bytes(values.size), device)
    scaled, original, mask = (
        _mapped(values.shape, dtype, folder) if home is None else torch.empty(values.shape, dtype=dtype, device=home)
        for dtype in _DTYPES
    )
    for begin in range(0, len(values), ROWS):
        rows = slice(begin, begin + ROWS)
        part = torch.from_numpy(np.array(values[rows]))
        here = observed(part, null_val)
        scaled[rows], original[rows], mask[rows] = scaler.transform(part, here), part.masked_fill(~here, 0.0), here
    stamps = None if timestamps is None else torch.from_numpy(np.array(timestamps)).to(scaled.device)
    return SplitTensors(scaled, original, mask, stamps)


def _home(num_bytes: int, device: torch.device) -> torch.device | None:
    """Return where that many bytes go: ``device``, the CPU, or None: a file."""
    for place in dict.fromkeys((device, torch.device("cpu"))):
        if num_bytes <= _SHARE * free_bytes(place):
            return place
    return None


def placed_bytes(readings: int, free: int) -> int:
    """Return how much of ``free`` bytes of the device ``place_split`` takes for a split of so many readings."""
    return _num_bytes(readings) if _num_bytes(readings) <= _SHARE * free else 0


def _num_bytes(readings: int) -> int:
    return readings * sum(dtype.itemsize for dtype in _DTYPES)


def _mapped(shape: tuple[int, ...], dtype: torch.dtype, folder: Path) -> torch.Tensor:
    """Return a tensor in a file without a name."""
    with tempfile.TemporaryFile(dir=folder) as file:
        size = dtype.itemsize * int(np.prod(shape))
        os.posix_fallocate(file.fileno(), 0, size)  # a full disk is an error now, not a signal later
        return torch.from_numpy(np.memmap(file, torch.empty(0, dtype=dtype).numpy().dtype, "r+", shape=shape))
