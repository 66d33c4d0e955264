"""Adapters of protocol ``new-sensors`` side by side, by what known sensors alone say of them.

Of the sensors that were set aside nothing is shown: a setting is chosen on known sensors and judged on new ones.
"""

from collections.abc import Sequence
from statistics import fmean

from stlora_ext.digits import number
from stlora_ext.tables.new_sensors_pairs import SplitRow, days_text, fits_of, new_sensors
from stlora_ext.tables.rows import Row
from stlora_ext.tables.settings import best_validation
from stlora_ext.tables.table import Cell, Column, Grid, Table

FIELDS = ("backbone", "arm", "adapter", "parameters", "splits", "runs", "days", "known_mae", "set_aside_mae")
_ABSENT = "–"


def new_sensors_settings_tables(rows: Sequence[Row], model: str) -> list[Table]:
    """Return a table for each way in which the backbone of ``model`` was trained: its control, then a line per setting.

    Args:
        rows: The rows of one data set; those of other protocols and models are left out.
        model: A backbone, with or without "+".

    Raises:
        UserError: If a record tells of no validation.
    """
    tables = []
    for family in new_sensors(rows):
        if family.model == model.removesuffix("+") and family.of_arm("plus"):
            tables.append(_table(family.title, family.of_arm("control", "plus")))
    return tables


def _table(title: str, rows: Sequence[SplitRow]) -> Table:
    days = sorted({row.days for row in rows if row.days is not None})
    shown: list[float | None] = [*days, None]
    lines: dict[str, list[SplitRow]] = {}
    for row in rows:
        lines.setdefault(row.name_without_days, []).append(row)
    columns = (
        Column("Adapter", kind="name"),
        *map(Column, ("Parameters", "Splits", "Runs", "known sensors")),
        *(Column(days_text(one), "set aside in turn") for one in shown),
    )
    return Table(
        f"{title}, new-sensors",
        caption="MAE of the known sensors on the validation split, and of those that the ridge was chosen on, each set "
        "aside in turn with so many days; means over runs",
        grids=(Grid("", columns, tuple(_cells(name, group, shown) for name, group in lines.items())),),
        fields=FIELDS,
        numbers=tuple(_numbers(title, name, row) for name, group in lines.items() for row in group),
    )


def _cells(name: str, rows: Sequence[SplitRow], days: Sequence[float | None]) -> tuple[Cell, ...]:
    whole = max(rows, key=lambda row: len(row.records))
    by_days = {row.days: set_aside(row) for row in rows}
    return (
        Cell(name, "name"),
        Cell(f"{whole.records[0].parameters.adapter:,}"),
        Cell(str(len(whole.splits))),
        Cell(str(len(whole.records))),
        Cell(number(known(whole), 3)),
        *(Cell(_ABSENT if (mae := by_days.get(one)) is None else number(mae, 3)) for one in days),
    )


def known(row: SplitRow) -> float:
    """Return the validation MAE of the known sensors, with the rows that they were trained to; the mean over runs."""
    return fmean(best_validation(record) for record in row.records)


def set_aside(row: SplitRow) -> float | None:
    """Return the MAE of known sensors set aside in turn with the days of the row; None where a record holds none."""
    fits = [fit for record in row.records for fit in fits_of(record) if fit.days == row.days]
    values = [fit.known_mae for fit in fits if fit.known_mae is not None]
    return fmean(values) if values and len(values) == len(fits) else None


def _numbers(title: str, name: str, row: SplitRow) -> dict[str, object]:
    return {
        "backbone": title,
        "arm": row.arm,
        "adapter": name,
        "parameters": row.records[0].parameters.adapter,
        "splits": len(row.splits),
        "runs": len(row.records),
        "days": days_text(row.days),
        "known_mae": known(row),
        "set_aside_mae": set_aside(row),
    }
