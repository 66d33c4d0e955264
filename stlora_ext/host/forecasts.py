"""Forecasts of the test set as ordinary ``.npy`` files, all in original units."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap

from stlora_ext.files import atomic_folder


@contextmanager
def forecast_writer(folder: Path, num_windows: int) -> Iterator[Callable[..., None]]:
    """Yield ``write(name=batch, ...)``, which appends batches ``[B, steps, num_nodes]`` to ``name.npy``.

    Args:
        folder: Replaced as a whole when every window has been written.
        num_windows: Rows of each file.
    """
    files: dict[str, np.memmap] = {}
    rows: dict[str, int] = {}

    with atomic_folder(folder) as temporary:

        def write(**batches: torch.Tensor) -> None:
            for name, batch in batches.items():
                if name not in files:
                    files[name] = open_memmap(
                        temporary / f"{name}.npy", mode="w+", dtype=np.float32, shape=(num_windows, *batch.shape[1:])
                    )
                    rows[name] = 0
                files[name][rows[name] : rows[name] + len(batch)] = batch.cpu().numpy()
                rows[name] += len(batch)

        yield write
        if set(rows.values()) != {num_windows}:
            raise RuntimeError(f"{folder}: {rows} windows were forecast, {num_windows} expected")
        for file in files.values():
            file.flush()
