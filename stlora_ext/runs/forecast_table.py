"""A table of forecasts as CSV: a row per time at which one was made, time forecast, and sensor."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from stlora_ext.files import atomic_path
from stlora_ext.spreadsheet import safe_cell

COLUMNS = ("time_made", "time_forecast", "sensor", "forecast", "reading")
_ROWS = 200_000  # formatted at a time


@contextmanager
def forecast_table(path: Path, sensors: Sequence[str], labels: np.ndarray) -> Iterator[Callable[..., None]]:
    """Yield ``add(made, prediction, readings)``, which appends forecasts; the file is whole or not there.

    ``made [B]`` are the rows after which they were made; ``prediction [B, output_len, N]``; ``readings`` of the same
    shape are what was read at the times forecast, NaN where nothing was, whose cell is empty.

    Args:
        path: The file.
        sensors: Name of each sensor.
        labels: The time of every row, as text; of the rows that are forecast, too.
    """
    names = np.array([safe_cell(name) for name in sensors], dtype=object)
    labels = labels.astype(object)
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:

        def add(made: np.ndarray, prediction: np.ndarray, readings: np.ndarray) -> None:
            _, steps, nodes = prediction.shape
            size = max(1, _ROWS // (steps * nodes))
            for begin in range(0, len(made), size):
                part = slice(begin, begin + size)
                ahead = made[part, None] + np.arange(1, steps + 1)
                columns = (
                    np.repeat(labels[made[part]], steps * nodes),
                    np.repeat(labels[ahead].ravel(), nodes),
                    np.tile(names, ahead.size),
                    prediction[part].ravel(),
                    readings[part].ravel(),
                )
                table = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
                table.to_csv(file, header=False, index=False, lineterminator="\n")

        file.write(",".join(COLUMNS) + "\n")
        yield add
