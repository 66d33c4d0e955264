"""Settings of the updates of protocol ``stream`` side by side, by their error before a date.

Settings are chosen on the periods before the date; those from it on show what the choice is worth. So nothing is sorted
by the error on which it is judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

import numpy as np

from stlora_ext.config.stream import StreamSettings
from stlora_ext.digits import number
from stlora_ext.errors import UserError
from stlora_ext.runs.record import Record
from stlora_ext.tables.pairs import PER_NODE
from stlora_ext.tables.period_times import checked_periods, target_times
from stlora_ext.tables.rows import Row, common_seeds, differences, equal_seeds, of_common_seeds
from stlora_ext.tables.settings import score_text
from stlora_ext.tables.statistics import MeanStd, spread
from stlora_ext.tables.stream_pairs import families
from stlora_ext.tables.table import Cell, Column, Grid, Table

FIELDS = (
    "backbone",
    "arm",
    "config_hash",
    "settings",
    "parameters_updated",
    "seeds",
    "before_mae",
    "before_std",
    "after_mae",
    "after_std",
    "seconds_per_update",
)


@dataclass(frozen=True)
class Update:
    """How one row is updated, and its error.

    Attributes:
        row: The runs.
        label: The arm, and the settings that differ from the defaults.
        before: MAE of the periods that begin before the date.
        after: MAE of the others.
    """

    row: Row
    label: str
    before: MeanStd
    after: MeanStd


def stream_settings_tables(rows: Sequence[Row], model: str, date: str, heading: str = "") -> list[Table]:
    """Return a table for each trained backbone of ``model``: its base, then the smallest error before ``date`` first.

    Settings are compared over the seeds that all of them ran under, where there are such.

    Args:
        rows: The rows of one data set; those of other protocols and models are left out.
        model: A backbone, with or without "+".
        date: A date, or date and time, by the clock on the spot, such as ``2020-07-01``.
        heading: Which data, where there are several under the name; else empty.

    Raises:
        UserError: If ``date`` is none, or no period begins before it or none from it on; or a record lacks the sums of
            its periods.
    """
    backbone = model.removesuffix("+")
    chosen = [row for row in rows if row.model.removesuffix("+") == backbone]
    return [
        _table(backbone, _updates(family.rows, date), date, heading, _note(family.rows)) for family in families(chosen)
    ]


def _note(rows: Sequence[Row]) -> str:
    """Return over which seeds rows are compared that didn't all run under the same."""
    if equal_seeds(rows):
        return ""
    common = sorted(map(str, common_seeds(rows)))
    if not common:
        return "There is no seed under which all rows ran, so part of what sets them apart is the seed."
    return f"Over seed{'s' * (len(common) > 1)} {', '.join(common)}, under which all rows ran."


def _updates(rows: Sequence[Row], date: str) -> list[Update]:
    rows = of_common_seeds(rows)
    labels = _labels(rows)
    updates = [Update(row, label, *_scores(row, date)) for row, label in zip(rows, labels, strict=True)]
    bases = [update for update in updates if update.row.arm == "base"]
    others = [update for update in updates if update.row.arm != "base"]
    return bases + sorted(others, key=lambda update: (update.before.mean is None, update.before.mean, update.label))


def _labels(rows: Sequence[Row]) -> list[str]:
    """Return each row's arm, its updates where not the defaults, and its adapter where not all have the same."""
    updates = [
        [
            f"{setting.name} {_text(value)}"
            for setting in fields(StreamSettings)
            if (value := row.records[0].configuration.stream.get(setting.name, setting.default)) != setting.default
        ]
        for row in rows
    ]
    adapted = [place for place, row in enumerate(rows) if row.records[0].configuration.adapter]
    varying = differences([rows[place] for place in adapted]) if adapted else {}
    for name, values in varying.items():
        for place, value in zip(adapted, values, strict=True) if name.startswith("adapter.") else ():
            if rows[place].arm in ("control", "wide") and name.removeprefix("adapter.") in PER_NODE:
                continue  # which has none
            updates[place].append(f"{name.removeprefix('adapter.')} {_text(value)}")
    return [", ".join([row.arm, *parts]) for row, parts in zip(rows, updates, strict=True)]


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _scores(row: Row, date: str) -> tuple[MeanStd, MeanStd]:
    first = row.records[0]
    early = _early(first, date)
    sums = [checked_periods(record, first) for record in row.records]

    def pooled(part: np.ndarray) -> MeanStd:
        return spread([_pooled(periods.absolute, periods.count, part) for periods in sums], row.deterministic)

    return pooled(early), pooled(~early)


def _early(record: Record, date: str) -> np.ndarray:
    """Return which periods begin before ``date``."""
    stream = record.stream
    assert stream is not None  # records of the protocol have it
    begins = target_times(record, stream.every * np.arange(stream.periods))
    early = np.asarray(begins < _moment(date))
    if early.all() or not early.any():
        raise UserError(
            f"--before {date}: expected a time after {begins[0]} and up to {begins[-1]}, when the first and the last "
            f"period of the test of {record.key.dataset} begin"
        )
    return early


def _moment(date: str) -> datetime:
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is not None:
        raise UserError(f"--before '{date}': expected a date of the test such as 2020-07-01, or 2020-07-01T06:00")
    return moment


def _pooled(absolute: Sequence[float], count: Sequence[int], part: np.ndarray) -> float | None:
    targets = np.asarray(count)[part].sum()
    return float(np.asarray(absolute)[part].sum() / targets) if targets else None


def _table(backbone: str, updates: Sequence[Update], date: str, heading: str, note: str) -> Table:
    columns = (
        Column("Updated", kind="name"),
        *map(Column, ("Parameters", "Seeds", f"MAE before {date}", "MAE from then on", "s per update")),
    )
    return Table(
        f"{backbone}, stream",
        heading=heading,
        grids=(Grid("", columns, tuple(_cells(update) for update in updates)),),
        notes=(note,) * bool(note),
        fields=FIELDS,
        numbers=tuple(_numbers(backbone, update) for update in updates),
    )


def _cells(update: Update) -> tuple[Cell, ...]:
    seconds = update.row.seconds_per_update
    return (
        Cell(update.label, "name"),
        Cell(f"{_parameters(update.row):,}"),
        Cell(str(len(update.row.records))),
        *(Cell(score_text(part)) for part in (update.before, update.after)),
        Cell("–" if seconds is None else number(seconds)),
    )


def _numbers(backbone: str, update: Update) -> dict[str, object]:
    return {
        "backbone": backbone,
        "arm": update.row.arm,
        "config_hash": update.row.config_hash,
        "settings": update.label,
        "parameters_updated": _parameters(update.row),
        "seeds": len(update.row.records),
        "before_mae": update.before.mean,
        "before_std": update.before.std,
        "after_mae": update.after.mean,
        "after_std": update.after.std,
        "seconds_per_update": update.row.seconds_per_update,
    }


def _parameters(row: Row) -> int:
    stream = row.records[0].stream
    assert stream is not None  # records of the protocol have it
    return stream.parameters_updated
