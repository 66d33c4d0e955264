"""A table as any file holds it, and what its columns are: times, sensors, readings."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from stlora_ext.errors import UserError, nearest
from stlora_ext.preparation.channels import choose_channel
from stlora_ext.preparation.options import ReadingOptions
from stlora_ext.preparation.stamps import hours_of_day

NARROW = 16  # columns of a table that may hold a row per reading
_TIME = ("time", "timestamp", "datetime", "date", "timestamps", "times", "date_time", "zeit", "datum", "ts")
_HOUR = ("hour", "time", "hours", "time_of_day", "stunde", "uhrzeit", "zeit")
_PARTS = ("year", "month", "day", "hour", "minute", "second")
_SENSOR = (
    "sensor", "sensor_id", "sensorid", "entity_id", "station", "station_id", "detector", "detector_id", "detid",
    "node", "node_id", "location", "location_id", "site", "site_id", "segment", "segment_id", "link_id", "zone",
    "zone_id", "id", "name",
)  # fmt: skip
_NEVER_READINGS = ("dyna_id", "type", "lat", "lon", "lng", "latitude", "longitude", "index", "")
_ROW_NUMBERS = ("", "index", "unnamed:_0", "t", "step", "timestep", "time_step")


@dataclass
class Table:
    """Cells of a file before they are understood.

    Attributes:
        frame: Columns numbered from 0; text where a column may hold times or names, else numbers.
        names: Names of the columns.
        origin: The file, for messages.
        notes: What the reader did that the user should know.
        decimal: What stands before the decimals of a number in text.
        named: Whether the file names its columns.
        ordered: Whether the order in which a table of readings names its sensors is theirs.
    """

    frame: pd.DataFrame
    names: list[str]
    origin: str
    notes: list[str] = field(default_factory=list)
    decimal: str = "."
    named: bool = True
    ordered: bool = False


@dataclass(frozen=True)
class Roles:
    """What the columns of a table are, by number.

    Attributes:
        times: Columns of times, none, one or several.
        sensor: Column of the sensor's name; None: every column of ``values`` is a sensor.
        values: Columns of readings.
        notes: What was recognised that the user should know.
    """

    times: tuple[int, ...]
    sensor: int | None
    values: tuple[int, ...]
    notes: tuple[str, ...] = ()


def find_roles(table: Table, options: ReadingOptions, whole: bool = True) -> Roles:
    """Tell what the columns of a table are, from the options, names and cells.

    Args:
        table: All its rows, or the first ones.
        options: What the user says of it.
        whole: Whether these are all the rows.

    Raises:
        UserError: If a column of the options isn't there, or it is open which column holds the readings.
    """
    times = _named(table, options.time_columns, "--time-column") or _find_times(table, options)
    rest = [place for place in range(len(table.names)) if place not in times]
    sensor = _named(table, [options.sensor_column] if options.sensor_column else [], "--sensor-column")
    value = _named(table, [options.value_column] if options.value_column else [], "--value-column")
    if value and not sensor:
        sensor = _find_sensor(table, times, [place for place in rest if place not in value], whole, any_kind=True)
        if not sensor:
            raise UserError(
                f"--value-column {options.value_column}: {table.origin} has no column that names sensors: name it with "
                "--sensor-column NAME"
            )
    sensor = sensor or _find_sensor(table, times, rest, whole)
    if not sensor:
        return _wide(table, times, rest)
    return _long(table, times, sensor[0], value, [place for place in rest if place != sensor[0]], options)


def _wide(table: Table, times: tuple[int, ...], rest: Sequence[int]) -> Roles:
    notes = []
    if len(rest) > 1 and _numbers_rows(table, rest[0]):
        notes.append(f"the first column of {table.origin} numbers its rows and is not used")
        rest = rest[1:]
    if not times and any(kind(table.frame[place], table.decimal) == "text" for place in rest[:1]):
        return Roles((rest[0],), None, tuple(rest[1:]), tuple(notes))  # its cells are refused as times, with their row
    return Roles(times, None, tuple(rest), tuple(notes))


def _numbers_rows(table: Table, place: int) -> bool:
    """Tell whether a column, by its name and cells, counts the rows from 0 or 1."""
    if plain_name(table.names[place]) not in (*_ROW_NUMBERS, *_TIME):
        return False
    numbers = pd.to_numeric(table.frame[place], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return any(np.array_equal(numbers, np.arange(begin, begin + len(numbers))) for begin in (0, 1))


def plain_name(name: str) -> str:
    """Return a column's name as the usual names are written here: "Sensor ID" as "sensor_id"."""
    return re.sub(r"[\s.-]+", "_", name.strip().lower())


def _long(
    table: Table,
    times: tuple[int, ...],
    sensor: int,
    value: tuple[int, ...],
    rest: Sequence[int],
    options: ReadingOptions,
) -> Roles:
    names = table.names
    readings = [
        place
        for place in rest
        if plain_name(names[place]) not in _NEVER_READINGS
        and kind(table.frame[place], table.decimal) in ("number", "empty")
    ]
    if not value:
        if not readings:
            raise UserError(
                f"{table.origin} has a row per reading and no column of numbers beside its times and '{names[sensor]}'"
                ": name the readings with --value-column NAME"
            )
        place, _ = choose_channel([names[place] for place in readings], options.channel, table.origin)
        value = (readings[place],)
    if not times:
        raise UserError(
            f"{table.origin} has a row per reading and no column of times: expected one; name it with --time-column"
        )
    time = " and ".join(repr(names[place]) for place in times)
    unused = [names[place] or "a column without a name" for place in rest if place not in value]
    note = f"a row per reading: times in {time}, sensors in '{names[sensor]}', readings in '{names[value[0]]}'"
    return Roles(times, sensor, value, (note + (f"; not used: {', '.join(unused)}" if unused else ""),))


def _named(table: Table, columns: Sequence[str], option: str) -> tuple[int, ...]:
    lowered = [name.strip().lower() for name in table.names]
    places = []
    for column in columns:
        if column in table.names:
            places.append(table.names.index(column))
        elif lowered.count(column.strip().lower()) == 1:
            places.append(lowered.index(column.strip().lower()))
        else:
            raise UserError(f"{option} {column}: {table.origin} has no such column: {nearest(column, table.names)}")
    return tuple(places)


def _find_times(table: Table, options: ReadingOptions) -> tuple[int, ...]:
    frame, lowered = table.frame, [plain_name(name) for name in table.names]
    if {"year", "month", "day"} <= set(lowered):
        return tuple(lowered.index(part) for part in _PARTS if part in lowered)
    text = [place for place in frame if frame[place].dtype.kind not in "fiub"]
    dated = [place for place in text if kind(frame[place], table.decimal, options.time_format) == "time"]
    for place in sorted(dated, key=lambda place: lowered[place] not in _TIME):
        hour = _hour_beside(table, place, lowered, options.time_format)
        return (place,) if hour is None else (place, hour)
    if options.time_format is not None and len(text) > 1 and text[:2] == [0, 1]:
        joined = frame[0].astype(str).str.strip() + " " + frame[1].astype(str).str.strip()
        if kind(joined, ".", options.time_format) == "time":
            return (0, 1)
    named = [place for place in frame if lowered[place] in _TIME and not _numbers_rows(table, place)]
    if named:
        return (named[0],)
    return (0,) if len(table.names) > 1 and _since_1970(frame[0]) else ()


def _since_1970(column: pd.Series) -> bool:
    numbers = pd.to_numeric(column, errors="coerce")
    return bool(
        len(numbers) > 1 and numbers.ge(10**8).all() and numbers.is_monotonic_increasing and not numbers.hasnans
    )


def _hour_beside(table: Table, date: int, lowered: Sequence[str], time_format: str | None) -> int | None:
    """Return the column of hours that belongs to a column of dates."""
    cells = table.frame[date]
    days = (
        cells
        if cells.dtype.kind == "M"
        else pd.to_datetime(cells, format=time_format or "ISO8601", errors="coerce", utc=True)
    )
    if not (days.dropna() == days.dropna().dt.normalize()).all():
        return None
    for place, name in enumerate(lowered):
        if place != date and name in _HOUR and hours_of_day(table.frame[place]).notna().all():
            return place
    return None


def _find_sensor(
    table: Table, times: tuple[int, ...], rest: Sequence[int], whole: bool, any_kind: bool = False
) -> tuple[int, ...]:
    """Return the column that names the sensor of each row; none where every column is a sensor."""
    if not times or len(table.names) > NARROW + len(times):
        return ()
    lowered = [plain_name(name) for name in table.names]
    others = [place for place in rest if lowered[place] not in _NEVER_READINGS]
    for name in _SENSOR:
        for place in others:
            if lowered[place] == name and (any_kind or len(others) > 1) and _names_something(table.frame[place]):
                return (place,)
    if any_kind and len(others) == 1:
        return (others[0],)
    if len(others) != 2 or not whole:
        return ()
    kinds = [kind(table.frame[place], table.decimal) for place in others]
    if sorted(kinds) == ["number", "text"]:
        return (others[kinds.index("text")],)
    moments = table.frame[list(times)].astype(str).agg(" ".join, axis=1) if len(times) > 1 else table.frame[times[0]]
    if kinds != ["number", "number"] or moments.nunique() > len(moments) / 2:
        return ()
    for place in others:
        pairs = pd.DataFrame({"time": moments, "sensor": table.frame[place]})
        if _names_something(table.frame[place]) and not pairs.duplicated().any():
            return (place,)
    return ()


def _names_something(column: pd.Series) -> bool:
    """Tell whether a column can be of names: text, or whole numbers."""
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    if np.isnan(numbers).any():
        return column.dtype.kind not in "fiub"
    return bool((numbers % 1 == 0).all())


def kind(column: pd.Series, decimal: str, time_format: str | None = None) -> str:
    """Return what a column's cells are: "number", "time", "empty" (all missing) or "text"."""
    if column.dtype.kind == "M":
        return "time"
    if column.dtype.kind in "fiu":
        return "number"
    cells = column.dropna()
    if not len(cells):
        return "empty"
    if column.dtype.kind == "b":
        return "text"
    cells = pd.Series(pd.unique(cells))
    if time_format is None and plain_numbers(cells, decimal).notna().all():
        return "number"
    try:
        times = pd.to_datetime(cells, format=time_format or "ISO8601", errors="coerce", utc=True)
    except ValueError:
        return "text"
    if times.notna().all():
        return "time"
    return "number" if time_format is not None and plain_numbers(cells, decimal).notna().all() else "text"


def plain_numbers(cells: pd.Series, decimal: str) -> pd.Series:
    """Read text as numbers; NaN where a cell is none."""
    if cells.dtype.kind in "fiu":
        return cells
    text = cells.astype("str")
    if decimal != ".":
        text = text.where(~text.str.contains(".", regex=False, na=False), "-").str.replace(decimal, ".", regex=False)
    return pd.to_numeric(text, errors="coerce")
