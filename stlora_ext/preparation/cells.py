"""Small tables of text: the cells of a CSV, whatever separates them."""

import csv
from dataclasses import dataclass
from pathlib import Path

from stlora_ext.errors import UserError
from stlora_ext.preparation.thousands import Thousands


@dataclass(frozen=True)
class Cells:
    """The cells of a file, stripped, without empty rows.

    Attributes:
        rows: A list of cells per row.
        separator: What separates them; unless it is a comma, a comma in a number is a decimal one.
    """

    rows: list[list[str]]
    separator: str


def read_cells(path: Path) -> Cells:
    """Read a table separated by commas, semicolons or tabs, whichever its first row has most of, else by spaces.

    Raises:
        UserError: If it can't be read as text, or its marks may stand between thousands.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            first = file.readline().strip()
            separator = max((",", ";", "\t"), key=first.count)
            separator = separator if separator in first or " " not in first else " "
            file.seek(0)
            rows = [
                [cell.strip() for cell in row]
                for row in csv.reader(file, delimiter=separator, skipinitialspace=separator == " ")
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"{path.name} cannot be read as CSV ({error}): expected text in UTF-8, separated by commas, semicolons or "
            "tabs"
        ) from None
    rows = [row for row in rows if any(row)]
    thousands = Thousands(separator)
    for row in rows:
        thousands.see(row)
    thousands.refuse(path.name, rows)
    return Cells(rows, separator)


def number(cell: str, cells: Cells) -> float:
    """Return a cell as a number, NaN where it is empty; a ValueError where it is none."""
    return float("nan") if not cell else float(cell if cells.separator == "," else cell.replace(",", "."))


def is_number(cell: str, cells: Cells) -> bool:
    """Tell whether a cell is a number."""
    try:
        number(cell, cells)
    except ValueError:
        return False
    return bool(cell)
