"""A file of readings with columns that a model doesn't know: new sensors."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stlora_ext.data.prepared import Meta, with_sensors
from stlora_ext.errors import UserError
from stlora_ext.preparation.options import ReadingOptions
from stlora_ext.preparation.recent import axis, check_finite, read_series
from stlora_ext.preparation.timeline import close_gaps

if TYPE_CHECKING:
    import pandas as pd


def read_with_new(
    path: Path, meta: Meta, options: ReadingOptions | None = None, fill_gaps: bool = False
) -> "tuple[np.ndarray, pd.DatetimeIndex, Meta]":
    """Read every row of a file that has a column for each known sensor and for some new ones.

    Args:
        path: As of ``read_recent``.
        meta: The known sensors.
        options: As of ``read_recent``.
        fill_gaps: Whether rows that are missing in time are inserted as missing readings.

    Returns:
        tuple: Readings ``[rows, known + new]`` as of ``read_recent``, the new sensors in the file's order behind the
        known ones; the times of the rows; and the description with all of them.

    Raises:
        UserError: As ``read_recent``, but for the number of rows; if there is no row or no new sensor, or rows are
            missing and aren't to be inserted.
    """
    series = read_series(path, meta, options, new=True)
    names = (series.sensor_ids or [])[meta.num_nodes :]
    if not names:
        raise UserError(
            f"{path.name} has the {meta.num_nodes} known sensors and no other column: expected one per new sensor; "
            "leave --add-sensors out, or bring their readings"
        )
    if not len(series.known_times):
        raise UserError(f"{path.name} holds no rows: expected readings of the known and the new sensors")
    whole = with_sensors(meta, names)
    series.interval = meta.interval_seconds
    check_finite(series.values, whole, path.name, 0)
    series = close_gaps(series, meta.interval_seconds, fill_gaps)
    return series.values, axis(series, meta, series.known_times[0], len(series.values)), whole
