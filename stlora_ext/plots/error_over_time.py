"""The error of a stream's runs over time: week by week, or period by period."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from stlora_ext.plots.series import palette
from stlora_ext.runs.record import Periods
from stlora_ext.tables.period_times import checked_periods, seconds_per_step, target_times
from stlora_ext.tables.rows import Row, differences, of_common_seeds
from stlora_ext.tables.stream_pairs import STREAM_ARMS

if TYPE_CHECKING:
    import pandas as pd

_WEEK = 7 * 86400.0
_FAR = 1.6  # times the largest error of an updated model: a base above it is cut
_ROOM = 1.3  # times that error, where a scale then ends
_PALETTE = palette(9)  # plus, control and wide have their colours of the picture of gains
_COLOURS = {arm: _PALETTE[place] for arm, place in zip(STREAM_ARMS, (8, 1, 2, 0, 4), strict=True)}


@dataclass(frozen=True)
class Course:
    """The error of a row over time.

    Attributes:
        begins: When each stretch of time begins, as a clock on the spot shows it.
        middles: Its middle.
        values: Its error ``[stretches]``, pooled over the stretch, the mean over seeds; NaN where no target is.
    """

    begins: "pd.DatetimeIndex"
    middles: "pd.DatetimeIndex"
    values: np.ndarray

    @property
    def largest(self) -> float:
        """The largest error; 0 where there is none."""
        return float(np.nanmax(self.values, initial=0.0))


def by_backbone(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows of protocol ``stream`` by their backbone, in the order of ``STREAM_ARMS``.

    They hold the seeds that all rows of a backbone have, where there are such.
    """
    groups = defaultdict(list)
    for row in rows:
        if row.protocol == "stream":
            groups[row.model.removesuffix("+")].append(row)
    return {
        backbone: sorted(of_common_seeds(group), key=lambda row: STREAM_ARMS.index(row.arm))
        for backbone, group in groups.items()
    }


def arm_labels(rows: Sequence[Row]) -> list[str]:
    """Return a name per row of one backbone: its arm, with the settings that set it apart from others of that arm."""
    labels = {}
    for arm in STREAM_ARMS:
        same = [row for row in rows if row.arm == arm]
        settings = differences(same) if len(same) > 1 else {}
        for place, row in enumerate(same):
            named = [f"{name.removeprefix('training.')}={values[place]}" for name, values in settings.items()]
            labels[row.config_hash, arm] = ", ".join([arm, *named])
    names = [labels[row.config_hash, row.arm] for row in rows]
    return [
        name + (f" [{row.config_hash}]" if names.count(name) > 1 else "") for name, row in zip(names, rows, strict=True)
    ]


def arm_colours(rows: Sequence[Row]) -> list[str]:
    """Return a colour per row of one backbone: its arm's for the row with the most seeds; those that are left for other
    settings of the arm."""
    arms = {row.arm for row in rows}
    left = cycle(colour for colour in palette(8, greys=False) if colour not in _COLOURS.values())
    main = {arm: max((row for row in rows if row.arm == arm), key=lambda row: len(row.records)) for arm in arms}
    return [_COLOURS[row.arm] if row is main[row.arm] else next(left) for row in rows]


def spans_weeks(row: Row) -> bool:
    """Return whether a row's test set is long enough for a point per week: two weeks."""
    record = row.records[0]
    return record.data.windows["test"] * seconds_per_step(record) >= 2 * _WEEK


def course(row: Row, metric: str = "MAE", weekly: bool = True) -> Course:
    """Return the error of a row over time.

    Args:
        row: Runs of protocol ``stream``.
        metric: ``MAE`` or ``RMSE``.
        weekly: Whether to pool the periods that begin in the same week, counted from the test set's first target on;
            else a point per period. Longer periods stay as they are.

    Raises:
        UserError: If a record lacks the sums of its periods, or doesn't say when its test set begins.
    """
    record = row.records[0]
    sums = [checked_periods(run, record) for run in row.records]
    every, count, seconds = sums[0].every, len(sums[0].count), seconds_per_step(record)
    begins = every * np.arange(count)
    group = (begins * seconds // _WEEK).astype(int) if weekly and every * seconds < _WEEK else np.arange(count)
    firsts = np.flatnonzero(np.diff(group, prepend=-1))
    ends = np.append(begins[firsts][1:], record.data.windows["test"])
    values = np.mean([_pooled(periods, firsts, metric) for periods in sums], axis=0)
    middles = target_times(record, (begins[firsts] + ends) / 2)
    return Course(target_times(record, begins[firsts]), middles, values)


def cut_at(rows: Sequence[Row], courses: Sequence[Course]) -> float | None:
    """Return where a scale ends because a base is far above all updated models; None where it shows everything."""
    updated, bases = (
        [line.largest for row, line in zip(rows, courses, strict=True) if (row.arm == "base") is base]
        for base in (False, True)
    )
    largest = max(updated, default=0.0)
    return _ROOM * largest if 0 < _FAR * largest < max(bases, default=0.0) else None


def _pooled(periods: Periods, firsts: np.ndarray, metric: str) -> np.ndarray:
    """Return the errors of stretches that begin at the periods ``firsts``; NaN where no target is."""
    errors = periods.absolute if metric == "MAE" else periods.squared
    total, count = (np.add.reduceat(np.asarray(numbers, float), firsts) for numbers in (errors, periods.count))
    mean = np.divide(total, count, out=np.full(len(firsts), math.nan), where=count > 0)
    return mean if metric == "MAE" else np.sqrt(mean)
