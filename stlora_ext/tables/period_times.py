"""When the periods of a stream's test begin, by the clock on the spot."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from stlora_ext.data.local_time import row_times
from stlora_ext.errors import UserError
from stlora_ext.runs.record import Periods, Record
from stlora_ext.tables.rows import lengths

if TYPE_CHECKING:
    import pandas as pd


def checked_periods(record: Record, first: Record) -> Periods:
    """Return the sums of a record's periods, which are those of the first record of its row.

    Raises:
        UserError: If the record lacks them.
    """
    periods, stream, like = record.scores.periods, record.stream, first.stream
    assert stream is not None and like is not None  # records of the protocol have it
    if (
        periods is None
        or not periods.every == stream.every == like.every
        or not len(periods.count) == stream.periods == -(-first.data.windows["test"] // like.every)
        or len(stream.loss) not in (0, stream.periods)
    ):
        raise UserError(
            f"record {record.key.path}.json doesn't hold the errors of its {stream.periods} periods: put back a whole "
            "copy, or repeat the run with --force"
        )
    return periods


def seconds_per_step(record: Record) -> float:
    """Return the seconds of a step of a record's data."""
    return float(record.data.given.get("interval_seconds") or 60 * record.data.interval)


def target_times(record: Record, windows: Sequence[float] | np.ndarray) -> "pd.DatetimeIndex":
    """Return when the first targets of test windows are, by the clock on the spot.

    Args:
        record: A run.
        windows: Numbers of test windows from 0 on, fractions too.

    Raises:
        UserError: If the record doesn't say when its test set begins.
    """
    data, input_len = record.data, lengths(record)[0]
    try:
        first = int(data.windows["train"]) + int(data.windows["val"]) + int(input_len or 0)
        rows = first + np.asarray(windows)
        times = row_times(str(data.start), data.given.get("timezone"), seconds_per_step(record), rows)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise UserError(
            f"record {record.key.path}.json doesn't say when its test set begins (data.start, data.timezone, "
            "data.windows): put back a whole copy, or repeat the run with --force"
        ) from None
    return times.tz_localize(None)
