"""Times as files write them: ISO 8601 or a format, with offsets or without, date and hour, seconds since 1970."""

from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
import pandas as pd

from stlora_ext.data.local_time import to_local
from stlora_ext.errors import UserError
from stlora_ext.preparation.clock import localize
from stlora_ext.preparation.options import ReadingOptions
from stlora_ext.preparation.timeline import show

_OFFSET = r"[T ]\s*\d{1,2}(?::?\d{2}){0,2}(?:[.,]\d+)?\s*(?:[zZ]|[+-]\d{2}(?::?\d{2})?)\s*"  # at the end of a time
_NUMBER = r"\s*[-+]?(?:\d+\.?\d*|\.\d+)\s*"
_SINCE_1970 = {
    "s": (10**8, 4 * 10**9),
    "ms": (10**12, 4 * 10**12),
    "us": (10**15, 4 * 10**15),
    "ns": (10**18, 4 * 10**18),
}
_WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
FIRST_YEAR, LAST_YEAR = 1000, 9998  # a day more or less stays within four digits
_DIGITS = ("%Y%m%d%H", "%Y%m%d%H%M")  # times that could be taken for a count of seconds
_PARTS = ("year", "month", "day", "hour", "minute", "second")


@dataclass
class Stamps:
    """The time of each row.

    Attributes:
        times: ``datetime64[us]`` ``[T]``: UTC where the options name a time zone, else what the clock shows.
        never: Where the clock of the time zone never showed such a time, bool ``[T]``.
        notes: What the reader did that the user should know.
    """

    times: np.ndarray
    never: np.ndarray
    notes: list[str] = field(default_factory=list)


def read_stamps(
    columns: list[pd.Series], origin: str, options: ReadingOptions, sensor: np.ndarray | None = None
) -> Stamps:
    """Read the time of each row.

    Args:
        columns: One column of times; a date and an hour; or year, month, day, ... by their names.
        origin: The file, for messages.
        options: How times are written, and where they are local time.
        sensor: Whose reading each row is, where a row isn't a step; tells apart the hour that is shown twice.

    Raises:
        UserError: On a cell that is no time, naming its row (1 is the first below the header), or an offset from UTC
            without a time zone to read it in.
    """
    notes: list[str] = []
    column = columns[0] if len(columns) == 1 else _joined(columns, origin, options)
    if len(columns) > 1:
        notes.append(f"times are put together from the columns {', '.join(str(part.name) for part in columns)}")
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        times, aware = column.dt.tz_convert("UTC").dt.tz_localize(None), np.ones(len(column), dtype=bool)
    elif column.dtype.kind == "M":
        times, aware = column, np.zeros(len(column), dtype=bool)
    else:
        times, aware = _from_cells(column, origin, options, notes)
    missing = np.flatnonzero(times.isna())
    if len(missing):
        _refuse(column, int(missing[0]), origin, options)
    plain = times.to_numpy().astype("datetime64[us]")
    never = np.zeros(len(plain), dtype=bool)
    years = plain.astype("datetime64[Y]").astype(np.int64) + 1970
    if len(years) and not FIRST_YEAR <= years.min() <= years.max() <= LAST_YEAR:
        row = int(np.flatnonzero((years < FIRST_YEAR) | (years > LAST_YEAR))[0])
        raise UserError(f"{origin}, row {row + 1}: the year of '{column.iloc[row]}' hasn't four digits: mend the time")
    if options.timezone is None:
        if aware.any():
            row = int(np.flatnonzero(aware)[0])
            remedy = (
                "expected --timezone with the place whose local time counts, such as --timezone Europe/Berlin, or "
                "--timezone UTC"
                if options.dataset is None
                else f"expected local times without it, as those of {options.dataset}, which was prepared without "
                "--timezone; convert the times, or prepare and train with --timezone"
            )
            raise UserError(f"{origin}, row {row + 1}: the time '{column.iloc[row]}' has an offset from UTC: {remedy}")
        return Stamps(plain, never, notes)
    if aware.any() and not aware.all():
        row = int(np.flatnonzero(aware != aware[0])[0])
        raise UserError(
            f"{origin}, row {row + 1}: the time '{column.iloc[row]}' {'has an' if aware[row] else 'has no'} offset "
            f"from UTC, unlike that of row 1 ('{column.iloc[0]}'): expected all with an offset or all without"
        )
    if not aware.any():
        plain, never, twice = localize(plain, options.timezone, sensor)
        if twice.any():
            first = show(to_local(plain[np.flatnonzero(twice)[:1]], options.timezone)[0])
            notes.append(f"{first} is a time that {options.timezone} has twice: rows are read in their order")
    return Stamps(plain, never, notes)


def _from_cells(
    column: pd.Series, origin: str, options: ReadingOptions, notes: list[str]
) -> tuple[pd.Series, np.ndarray]:
    """Read text or numbers; return the times (NaT where there is none) and which of them had an offset."""
    codes, cells = pd.factorize(column)
    cells = pd.Series(cells)
    if cells.dtype.kind in "fiu" and options.time_format is not None:
        cells = cells.map(lambda cell: str(int(cell)) if float(cell).is_integer() else str(cell))
    numbers = cells.dtype.kind in "fiu" or cells.str.fullmatch(_NUMBER).to_numpy(dtype=bool, na_value=False)
    if options.time_format is None and np.any(numbers):
        if not np.all(numbers) or (codes < 0).any():
            row = int(np.flatnonzero(np.broadcast_to(numbers, len(cells))[codes] & (codes >= 0))[0])
            _refuse_number(column.iloc[row], row, origin)
        times = _since_1970(cells, column, origin, options, notes)
        aware = np.full(len(cells), options.timezone is not None)
    else:
        shape = options.time_format or "ISO8601"
        has_z = options.time_format is not None and "%z" in options.time_format
        aware = (
            np.full(len(cells), has_z)
            if options.time_format is not None
            else cells.str.contains(_OFFSET + "$", regex=True).to_numpy(dtype=bool, na_value=False)
        )
        try:
            times = pd.to_datetime(cells, format=shape, errors="coerce", utc=True).dt.tz_localize(None)
        except ValueError as error:
            raise UserError(
                f"{origin}: the times cannot be read ({error}): expected times {_expected(options)}"
            ) from None
    there = codes >= 0
    result = pd.Series(pd.NaT, index=range(len(column)), dtype="datetime64[us]")
    result[there] = times.dt.as_unit("us").to_numpy()[codes[there]]
    return result, np.where(there, np.append(aware, False)[codes], False)


def unit_since_1970(cells: pd.Series) -> str | None:
    """Return the unit in which numbers can count the time since 1970: "s", "ms", "us" or "ns"; None: they can't."""
    numbers = pd.to_numeric(cells, errors="coerce")
    return next((unit for unit, (low, high) in _SINCE_1970.items() if numbers.between(low, high).all()), None)


def _since_1970(
    cells: pd.Series, column: pd.Series, origin: str, options: ReadingOptions, notes: list[str]
) -> pd.Series:
    numbers, unit = pd.to_numeric(cells, errors="coerce"), unit_since_1970(cells)
    if unit is not None:
        texts = numbers.round().astype("int64").astype(str)
        for written in _DIGITS:
            read = pd.to_datetime(texts, format=written, errors="coerce")
            if len(texts.iloc[0]) == len(pd.Timestamp(2024, 1, 1).strftime(written)) and read.notna().all():
                row = f"{origin}, row 1: the time is the bare number '{column.iloc[0]}'"
                raise UserError(f"{row}: expected a date and time; --time-format {written} reads it so")
    else:
        _refuse_number(column.iloc[0], 0, origin)
    scaled = (numbers * {"s": 10**6, "ms": 10**3, "us": 1, "ns": 1e-3}[unit]).round().astype(np.int64)
    where = "UTC; --timezone NAME reads them as local time" if options.timezone is None else options.timezone
    notes.append(f"times are {_WORDS[unit]} since 1970, read in {where}")
    return pd.Series(scaled.to_numpy().astype("datetime64[us]"))


def _joined(columns: list[pd.Series], origin: str, options: ReadingOptions) -> pd.Series:
    """Return the times of a date and an hour, or of year, month, day, ...; text where a format reads it."""
    names = [str(column.name).strip().lower() for column in columns]
    if set(names) <= set(_PARTS) and {"year", "month", "day"} <= set(names):
        parts = pd.DataFrame(
            {name: pd.to_numeric(column, errors="coerce") for name, column in zip(names, columns, strict=True)}
        )
        return pd.to_datetime(parts, errors="coerce")
    dated = options.time_format is not None and _only_dates(options.time_format) and len(columns) == 2
    if options.time_format is not None and not dated:
        text = columns[0].astype(str).str.strip()
        for column in columns[1:]:
            text = text + " " + column.astype(str).str.strip()
        return text
    if len(columns) != 2:
        raise UserError(
            f"--time-column {' '.join(names)}: expected one column, a date and an hour, or year, month, day, ...; "
            "--time-format reads others, joined by spaces"
        )
    written = options.time_format if dated else "ISO8601"
    day = columns[0] if columns[0].dtype.kind == "M" else pd.to_datetime(columns[0], format=written, errors="coerce")
    if getattr(day.dtype, "tz", None) is not None:
        raise UserError(f"{origin}: the dates have offsets from UTC and hours of their own: expected plain dates")
    moment = day + hours_of_day(columns[1])
    bad = np.flatnonzero(moment.isna())
    if len(bad):
        row = int(bad[0])
        raise UserError(
            f"{origin}, row {row + 1}: '{columns[0].iloc[row]}' and '{columns[1].iloc[row]}' are no date and hour: "
            "expected such as 2024-01-31 and 8, or 08:05; --time-format reads others, joined by a space"
        )
    return moment


def _only_dates(time_format: str) -> bool:
    return not any(part in time_format for part in ("%H", "%I", "%M", "%S", "%T", "%R", "%X", "%c"))


def hours_of_day(column: pd.Series) -> pd.Series:
    """Read hours (0 to 24) or times of day (8:05) as time since midnight; NaT where a cell is neither."""
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.notna().all():
        return pd.to_timedelta(numbers.where(numbers.between(0, 24)), unit="h").dt.round("s")
    text = column.astype(str).str.strip()
    clock = text.str.fullmatch(r"([01]?\d|2[0-4]):[0-5]\d(:[0-5]\d)?").to_numpy(dtype=bool, na_value=False)
    full = text.where(text.str.count(":") == 2, text + ":00")
    return pd.to_timedelta(full.where(clock), errors="coerce")


def _expected(options: ReadingOptions) -> str:
    written = options.time_format
    return (
        f"as in --time-format {written}; --time-column DATE HOUR joins two columns"
        if written
        else (
            "in ISO 8601 (2024-01-31 08:05), or --time-format with theirs, such as '%d.%m.%Y %H:%M' or '%m/%d/%Y %H:%M'"
        )
    )


def _refuse(column: pd.Series, row: int, origin: str, options: ReadingOptions) -> NoReturn:
    if pd.isna(column.iloc[row]):
        raise UserError(
            f"{origin}, row {row + 1}: the time is empty: expected one in every row; fill it in, or drop the row"
        )
    raise UserError(f"{origin}, row {row + 1}: '{column.iloc[row]}' is no time: expected a time {_expected(options)}")


def _refuse_number(cell: object, row: int, origin: str) -> NoReturn:
    raise UserError(
        f"{origin}, row {row + 1}: the time is the bare number '{cell}': expected a time in ISO 8601 "
        "(2024-01-31 08:05), or --time-format; or seconds or milliseconds since 1970 in every row"
    )
