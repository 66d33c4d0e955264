"""Tables in text: CSV with commas, semicolons or tabs, decimal points or commas, with a header or without."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from stlora_ext.errors import UserError
from stlora_ext.preparation.from_table import series_from_table
from stlora_ext.preparation.header import has_header, refuse_title
from stlora_ext.preparation.options import ReadingOptions
from stlora_ext.preparation.series import Series
from stlora_ext.preparation.table import NARROW, Roles, Table, find_roles
from stlora_ext.preparation.thousands import Thousands

_SEPARATORS = {"\t": "tabs", ";": "semicolons", ",": "commas"}
_SAMPLE = 300  # rows that tell what the columns are
_TELLING = 200_000  # the same of few columns, whose times may repeat
_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d*,\d+([eE][-+]?\d+)?\s*")
_BROKEN = (OSError, UnicodeError, csv.Error, pd.errors.ParserError, pd.errors.EmptyDataError)


@dataclass(frozen=True)
class Dialect:
    """How a file of text is written.

    Attributes:
        encoding: Of its bytes.
        separator: Between cells.
        decimal: Before decimals.
        rows: Its first rows.
        count: How many rows it has.
    """

    encoding: str
    separator: str
    decimal: str
    rows: list[list[str]]
    count: int


def read_csv(path: Path, options: ReadingOptions | None = None) -> Series:
    """Read a table with a column per sensor, or a row per reading; an empty cell or NaN is a missing reading.

    Args:
        path: Text in UTF-8, or UTF-16 with its mark.
        options: What the user says of it.

    Raises:
        UserError: On a cell that is no number or no time, naming row and column (row 1 is the first below the header).
    """
    options = options or ReadingOptions()
    try:
        dialect = read_dialect(path)
        if not dialect.rows:
            raise UserError(
                f"{path.name} is empty: expected a column of times and at least one sensor, separated by commas"
            )
        table, roles = _turned(path, dialect, options) if options.transpose else _table(path, dialect, options)
    except UserError:
        raise
    except _BROKEN as error:
        raise UserError(
            f"{path.name} cannot be read as CSV ({error}): expected text in UTF-8, separated by commas, semicolons or "
            "tabs, as many cells in every row as in the first"
        ) from None
    return series_from_table(table, roles, options)


def read_dialect(path: Path) -> Dialect:
    """Find out how a file is written; refuse what pandas would take silently: rows of another width, 1,234 as 1.234."""
    with open(path, "rb") as file:
        mark = file.read(2)
    encoding = "utf-16" if mark in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    separator = _separator(path, encoding)
    rows: list[list[str]] = []
    decimal, count, thousands = ".", 0, Thousands(separator)
    with open(path, newline="", encoding=encoding) as file:
        for row in csv.reader(file, delimiter=separator):
            if not row:
                continue
            if rows and len(row) != len(rows[0]):
                raise UserError(
                    f"{path.name}, row {count}: {len(row)} cells, the header has {len(rows[0])}: expected as many; a "
                    "missing reading is an empty cell"
                    + "; delete what stands above the names of the columns"
                    * (len(row) > len(rows[0]))
                )
            if count and decimal == "." and any("," in cell and _DECIMAL_COMMA.fullmatch(cell) for cell in row):
                decimal = ","
            thousands.see(row)
            if len(rows) < _SAMPLE:
                rows.append(row)
            count += 1
    thousands.refuse(path.name, rows[1:])
    return Dialect(encoding, separator, decimal, rows, count)


def _separator(path: Path, encoding: str) -> str:
    """Return what separates cells: the first of tab, semicolon and comma that cuts nearly all rows alike."""
    with open(path, newline="", encoding=encoding) as file:
        lines = [line for line, _ in zip(file, range(50), strict=False) if line.strip()]
    for separator in _SEPARATORS:
        widths = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
        usual = max(set(widths), key=widths.count, default=1)
        if usual > 1 and widths.count(usual) >= 0.8 * len(widths):
            return separator
    return ","


def _table(path: Path, dialect: Dialect, options: ReadingOptions) -> tuple[Table, Roles]:
    header, notes = _header(path, dialect.rows, dialect, options)
    names = _names(dialect.rows[0], header)
    dropped = _empty_ends(dialect, names, header)
    small = len(names) <= NARROW + max(1, len(options.time_columns))
    table = Table(
        pd.DataFrame(), names[: len(names) - dropped], path.name, notes, dialect.decimal, header, _ordered(path)
    )
    table.notes.extend(_written(dialect))

    def read(text: list[int] | None, rows: int | None = None) -> pd.DataFrame:
        """Read all rows, or the first; ``text``: columns whose cells stay as they are written, None: all of them."""
        return pd.read_csv(
            path,
            header=None,
            skiprows=int(header),
            names=range(len(names)),
            usecols=range(len(table.names)),
            index_col=False,
            dtype=str if text is None else dict.fromkeys(text, str),
            sep=dialect.separator,
            decimal=dialect.decimal,
            encoding=dialect.encoding,
            low_memory=False,
            nrows=rows,
        )

    if small:
        table.frame = read(None, _TELLING)
    else:
        sample = pd.DataFrame([row[: len(table.names)] for row in dialect.rows[int(header) :]], dtype="str")
        table.frame = sample.where(sample != "").reindex(columns=range(len(table.names)))
    if table.frame.empty and dialect.count <= int(header):
        return table, Roles((), None, tuple(range(len(table.names))))
    roles = find_roles(table, options, whole=small)
    table.frame = read([place for place in (*roles.times, roles.sensor) if place is not None])
    if table.ordered and options.timezone is None:
        _drop_z(table, roles)
    return table, roles


def _drop_z(table: Table, roles: Roles) -> None:
    """Take LibCity's times, which all end in Z whatever they are, as local time."""
    for place in roles.times:
        cells = table.frame[place]
        if cells.str.endswith("Z").fillna(False).all():
            table.frame[place] = cells.str.removesuffix("Z")
            table.notes.append(
                "times end in Z, as LibCity writes local time: read so; --timezone NAME reads them as UTC"
            )


def _turned(path: Path, dialect: Dialect, options: ReadingOptions) -> tuple[Table, Roles]:
    """Read a table whose rows are sensors: turned, its first column names them."""
    frame = pd.read_csv(
        path, header=None, dtype=str, sep=dialect.separator, encoding=dialect.encoding, index_col=False
    ).T.reset_index(drop=True)
    rows = frame.head(_SAMPLE).fillna("").to_numpy().tolist()
    header, notes = _header(path, rows, dialect, options)
    names = _names(rows[0], header)
    frame.columns = range(len(names))
    frame = frame.iloc[int(header) :].reset_index(drop=True)
    table = Table(
        frame, names, path.name, [*notes, *_written(dialect), "rows were sensors: turned"], dialect.decimal, header
    )
    return table, find_roles(table, options)


def _header(path: Path, rows: list[list[str]], dialect: Dialect, options: ReadingOptions) -> tuple[bool, list[str]]:
    if options.header is not None:
        return options.header, []
    refuse_title(rows, path.name)
    header, note = has_header(rows, dialect.decimal)
    return header, [] if note is None else [note]


def _names(first: list[str], header: bool) -> list[str]:
    return [name.strip() for name in first] if header else [str(place) for place in range(len(first))]


def _empty_ends(dialect: Dialect, names: list[str], header: bool) -> int:
    """Count the columns at the end that a separator too many makes: no name, no cell."""
    count = 0
    while (
        count < len(names) - 2
        and (names[-1 - count] == "" or not header)
        and all(not row[-1 - count].strip() for row in dialect.rows)
    ):
        count += 1
    return count


def _written(dialect: Dialect) -> list[str]:
    parts = [f"cells are separated by {_SEPARATORS[dialect.separator]}"] * (dialect.separator != ",")
    return parts + ["decimals stand after a comma"] * (dialect.decimal == ",")


def _ordered(path: Path) -> bool:
    return path.suffix.lower() == ".dyna"  # LibCity's own order, that of its .geo file
