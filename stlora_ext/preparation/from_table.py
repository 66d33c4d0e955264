"""From a table to a series: a column per sensor, or a row per reading."""

import re
import shlex

import numpy as np
import pandas as pd

from stlora_ext.errors import UserError
from stlora_ext.preparation.options import ReadingOptions
from stlora_ext.preparation.series import Series, check_ids, to_float32
from stlora_ext.preparation.stamps import Stamps, read_stamps
from stlora_ext.preparation.table import Roles, Table, kind, plain_numbers
from stlora_ext.preparation.timeline import show
from stlora_ext.spreadsheet import plain_text

_LIKE_NUMBER = re.compile(r"\s*[-+]?\d[\d.,]*\s*%?\s*")
_EMPTIEST = 50  # cells of time and sensor per reading


def series_from_table(table: Table, roles: Roles, options: ReadingOptions) -> Series:
    """Return the readings of a table.

    Raises:
        UserError: On a cell that is no number or no time, with its row and column; a sensor or a reading that is there
            twice; or a table whose columns are times.
    """
    if not roles.values:
        raise UserError(
            f"{table.origin} has the columns {', '.join(table.names)}: expected a column of times and at least one "
            "sensor, separated by commas, semicolons or tabs"
        )
    if table.frame.empty:
        raise UserError(f"{table.origin} has a header and no rows: expected one row per time step")
    check_orientation(table, roles, options)
    series = _wide(table, roles, options) if roles.sensor is None else _long(table, roles, options)
    series.notes[:0] = [*table.notes, *roles.notes]
    return series


def check_orientation(table: Table, roles: Roles, options: ReadingOptions) -> None:
    """Refuse a table whose columns are times, and one that has no times and more columns than rows."""
    if roles.sensor is not None or options.transpose is not None:
        return
    names = pd.Series([table.names[place] for place in roles.values], dtype="str")
    times = pd.to_datetime(names.where(~names.str.fullmatch(r"[\d.]*")), format="ISO8601", errors="coerce", utc=True)
    if len(names) > 1 and times.notna().all():
        raise UserError(
            f"{table.origin} has times as the names of its columns ('{names.iloc[0]}', ...): expected a row per time "
            "step; --transpose turns it"
        )
    dated = roles.times and kind(table.frame[roles.times[0]], table.decimal, options.time_format) != "text"
    if not dated and len(names) > len(table.frame):
        raise refuse_orientation(table.origin, len(table.frame), len(names))


def refuse_orientation(origin: str, rows: int, columns: int, why: str = "more columns than rows") -> UserError:
    """Return the error for readings that seem to have a row per sensor."""
    return UserError(
        f"{origin} has {rows:,} rows and {columns:,} columns, {why}: expected a row per time step and a column per "
        "sensor; --transpose turns it, --no-transpose keeps it as it is"
    )


def _refuse_text(table: Table, roles: Roles) -> None:
    """Refuse a column among those of sensors without any number: it names sensors, or says something else."""
    for place in roles.values:
        column = table.frame[place]
        cells = column.dropna()
        if not len(cells) or column.dtype.kind in "fiub" or _LIKE_NUMBER.fullmatch(str(cells.iloc[0])):
            continue
        if plain_numbers(cells, table.decimal).isna().all():
            name = table.names[place]
            raise UserError(
                f"{table.origin}, column '{name}': no cell is a number, the first is '{cells.iloc[0]}': expected "
                f"readings; drop the column, or say what it holds, with --sensor-column {shlex.quote(name)} or "
                f"--time-column {shlex.quote(name)}"
            )


def _wide(table: Table, roles: Roles, options: ReadingOptions) -> Series:
    names = [plain_text(table.names[place].strip()) for place in roles.values]
    if not table.named:
        names = [str(column) for column in range(len(names))]
    check_ids(names, len(names), table.origin)
    stamps = _stamps(table, roles, options)
    _refuse_text(table, roles)
    if options.channel not in (None, "0"):
        raise UserError(f"--channel {options.channel}: {table.origin} has one channel; leave it out")
    values = np.empty((len(table.frame), len(names)), dtype=np.float64)
    for column, (place, name) in enumerate(zip(roles.values, names, strict=True)):
        values[:, column] = _numbers(table, place, name)
    series = Series(
        to_float32(values, table.origin), sensor_ids=names if table.named else None, timezone=options.timezone
    )
    if stamps is None:
        series.timezone = None
        return series
    kept = _without_never(table, stamps, np.asarray(np.isnan(values).all(axis=1)), options, series.notes)
    series.values, series.times = series.values[kept], stamps.times[kept]
    series.notes.extend(stamps.notes)
    return series


def _long(table: Table, roles: Roles, options: ReadingOptions) -> Series:
    assert roles.sensor is not None
    cells = table.frame[roles.sensor]
    absent = np.flatnonzero(cells.isna())
    if len(absent):
        raise UserError(
            f"{table.origin}, row {absent[0] + 1}: the sensor's name in '{table.names[roles.sensor]}' is empty: "
            "expected one in every row; drop the row, or name the sensor"
        )
    codes, raw = pd.factorize(cells)
    names = [plain_text(_as_name(name)) for name in raw]
    check_ids(names, len(names), table.origin)
    if not table.ordered:
        numbers = all(name.isdigit() for name in names)
        order = sorted(
            range(len(names)), key=lambda place: (int(names[place]), names[place]) if numbers else names[place]
        )
        rank = np.empty(len(names), dtype=np.int64)
        rank[order] = np.arange(len(names))
        codes, names = rank[codes], [names[place] for place in order]
    stamps = _stamps(table, roles, options, codes)
    assert stamps is not None
    readings = _numbers(table, roles.values[0], table.names[roles.values[0]])
    notes: list[str] = []
    kept = _without_never(table, stamps, np.isnan(readings), options, notes)
    moments, rows = np.unique(stamps.times[kept], return_inverse=True)
    if len(moments) * len(names) > 10_000 + _EMPTIEST * len(table.frame):
        raise UserError(
            f"{table.origin} has {len(moments):,} times and {len(names):,} sensors, and {len(table.frame):,} readings: "
            "expected sensors that are read at the same times; resample the data"
        )
    place = rows * len(names) + codes[kept]
    values = np.full(len(moments) * len(names), np.nan)
    again = pd.Series(place).duplicated().to_numpy()
    if again.any():
        row = np.flatnonzero(kept)[np.flatnonzero(again)[0]]
        raise UserError(
            f"{table.origin}, row {row + 1}: sensor '{names[codes[row]]}' has a second reading at "
            f"{show(stamps.times[row], options.timezone)}: expected one; drop the other, or average "
            "them; --timezone NAME tells the two apart where a clock shows an hour twice"
        )
    values[place] = readings[kept]
    return Series(
        to_float32(values.reshape(len(moments), len(names)), table.origin),
        times=moments,
        sensor_ids=names,
        timezone=options.timezone,
        notes=[*notes, *stamps.notes],
    )


def _as_name(cell: object) -> str:
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()


def _stamps(table: Table, roles: Roles, options: ReadingOptions, sensor: np.ndarray | None = None) -> Stamps | None:
    if not roles.times:
        return None
    columns = [table.frame[place].rename(table.names[place]) for place in roles.times]
    return read_stamps(columns, table.origin, options, sensor)


def _without_never(
    table: Table, stamps: Stamps, empty: np.ndarray, options: ReadingOptions, notes: list[str]
) -> np.ndarray:
    """Return which rows stay: those of an hour that the clock skips go where they hold no reading."""
    wrong = np.flatnonzero(stamps.never & ~empty)
    if len(wrong):
        row = int(wrong[0])
        raise UserError(
            f"{table.origin}, row {row + 1}: this is a time that {options.timezone} never had, its clocks skip it: "
            "expected local times"
            + "; leave --timezone out if the clock of these data isn't changed in the year"
            * (options.dataset is None)
        )
    if stamps.never.any():
        notes.append(f"{int(stamps.never.sum())} empty rows lie in an hour that {options.timezone} skips: left out")
    return ~stamps.never


def _numbers(table: Table, place: int, name: str) -> np.ndarray:
    column = table.frame[place]
    if column.dtype.kind in "fiu" or column.isna().all():
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    numbers = plain_numbers(column, table.decimal)
    wrong = np.flatnonzero((numbers.isna() & column.notna()).to_numpy())
    if len(wrong) or column.dtype.kind == "b":
        row = int(wrong[0]) if len(wrong) else 0
        raise UserError(
            f"{table.origin}, row {row + 1}, column '{name}': '{column.iloc[row]}' is no number: expected a number, or "
            f"an empty cell for a missing reading{' (with a decimal comma, as elsewhere)' * (table.decimal == ',')}"
        )
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)
