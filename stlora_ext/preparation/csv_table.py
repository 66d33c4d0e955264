"""Readings from a CSV table: a time column first, then one column per sensor."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from stlora_ext.errors import UserError
from stlora_ext.preparation.series import Series, check_ids, to_float32
from stlora_ext.spreadsheet import plain_text


def read_csv(path: Path, time_format: str | None = None) -> Series:
    """Read a table with a header; an empty cell or NaN is a missing reading.

    Args:
        path: Text in UTF-8, separated by commas.
        time_format: How times are written, in strptime's notation; None: ISO 8601.

    Raises:
        UserError: On a cell that is no number or no time, naming row and column (row 1 is the first below the header).
    """
    origin = path.name
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            header = [plain_text(name.strip()) for name in next(csv.reader(file), [])]
        if len(header) < 2:
            raise UserError(
                f"{origin} has the header {header}: expected a time column and at least one sensor, separated by commas"
            )
        check_ids(header[1:], len(header) - 1, origin)
        _check_width(path, len(header))
        table = pd.read_csv(
            path,
            header=None,
            skiprows=1,
            names=range(len(header)),
            index_col=False,
            dtype={0: str},
            encoding="utf-8-sig",
            low_memory=False,
        )
    except (OSError, UnicodeDecodeError, csv.Error, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UserError(
            f"{origin} cannot be read as CSV ({error}): expected text in UTF-8, separated by commas, "
            "as many cells in every row as in the header"
        ) from None
    if table.empty:
        raise UserError(f"{origin} has a header and no rows: expected one row per time step")
    times = _read_times(table.pop(0), origin, time_format)
    for index, name in enumerate(header[1:], start=1):
        if table[index].dtype.kind not in "fiu":
            _refuse_text(table[index], name, origin)
    return Series(
        to_float32(table.to_numpy(dtype=np.float64, na_value=np.nan), origin), times=times, sensor_ids=header[1:]
    )


def _check_width(path: Path, width: int) -> None:
    """Refuse rows of another width than the header: pandas would fill or drop cells silently."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        for number, row in enumerate(csv.reader(file)):
            if row and len(row) != width:
                raise UserError(
                    f"{path.name}, row {number}: {len(row)} cells, the header has {width}: expected as "
                    "many; a missing reading is an empty cell"
                )


def _refuse_text(column: pd.Series, name: str, origin: str) -> None:
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = np.flatnonzero((numbers.isna() & column.notna()).to_numpy())
    row = int(wrong[0]) if len(wrong) else 0
    raise UserError(
        f"{origin}, row {row + 1}, column '{name}': '{column.iloc[row]}' is no number: expected a number, "
        "or an empty cell for a missing reading"
    )


def _read_times(column: pd.Series, origin: str, time_format: str | None) -> np.ndarray:
    expected = (
        f"as in --time-format {time_format}" if time_format else "in ISO 8601 (2024-01-31 08:05), or --time-format"
    )
    numbers = column.str.fullmatch(r"\s*[-+]?[\d.]+\s*").to_numpy(dtype=bool, na_value=False)
    if time_format is None and numbers.any():
        row = int(np.flatnonzero(numbers)[0])
        raise UserError(
            f"{origin}, row {row + 1}: the time is the bare number '{column.iloc[row]}': expected a time {expected}"
        )
    try:
        times = pd.to_datetime(column, format=time_format or "ISO8601", errors="coerce")
    except ValueError as error:
        raise UserError(
            f"{origin}: the times cannot be read ({error}): expected times {expected}, all in one time zone or none"
        ) from None
    if times.isna().any():
        row = int(np.flatnonzero(times.isna())[0])
        raise UserError(f"{origin}, row {row + 1}: '{column.iloc[row]}' is no time: expected a time {expected}")
    if times.dt.tz is not None:
        times = times.dt.tz_localize(None)
    return times.to_numpy().astype("datetime64[us]")
