"""Whether the first row of a table names its columns, or is a row of readings like the others."""

import re
from collections.abc import Sequence

from stlora_ext.errors import UserError

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_SORTED = 6  # numbers that are in order by accident once in 720 times
_MISSING = ("", "nan", "na", "null", "n/a", "none")


def has_header(rows: Sequence[Sequence[str]], decimal: str = ".") -> tuple[bool, str | None]:
    """Tell whether the first of ``rows`` names the columns, and a note where that is no matter of course.

    A row with a time where the rows below have one too holds readings. So does a row of numbers that repeats one, has a
    missing one, one below 0 or one with decimals, or lies within the range of those below. Other whole numbers are
    names, and numbers in order.
    """
    first, below = rows[0], rows[1:]
    if not below:
        return True, None
    taken = "the first row is read as readings, sensors are named 0, 1, ...: --header yes reads it as their names"
    if any(_shape(cell) is not None and _alike(cell, [row[k] for row in below]) for k, cell in enumerate(first)):
        return False, taken
    if not first[0].strip() and all(row[0].strip() for row in below):
        return True, None
    texts = [cell.strip() for cell in first]
    if decimal != ".":
        texts = [cell.replace(decimal, ".") for cell in texts]
    if not all(_NUMBER.fullmatch(cell) or cell.lower() in _MISSING for cell in texts):
        return True, None
    if not all(cell.isdigit() for cell in texts) or len(set(map(int, texts))) < len(texts):
        return False, taken
    numbers = [int(cell) for cell in texts]
    told = "the first row is read as names of sensors: --header no reads it as readings"
    counted = any(numbers == list(range(begin, begin + len(numbers))) for begin in (0, 1))
    if counted or (len(numbers) >= _SORTED and numbers == sorted(numbers)):
        return True, told
    lower = [cell.replace(decimal, ".") for row in below for cell in row if cell.strip()]
    readings = [float(cell) for cell in lower if _NUMBER.fullmatch(cell.strip())]
    if readings and min(readings) <= min(numbers) and max(numbers) <= max(readings):
        return False, taken
    return True, told


def refuse_title(rows: Sequence[Sequence[str]], origin: str) -> None:
    """Refuse a table that begins with a title, or whatever else fills fewer cells than the row below.

    Raises:
        UserError: If it does.
    """
    first, second = (sum(bool(cell.strip()) for cell in row) for row in (*rows[:2], [], [])[:2])
    if first + 1 < second:  # the column of times may have no name
        raise UserError(
            f"{origin}: the first row fills fewer cells ({first}) than the next one ({second}): expected the names "
            "of the columns; delete what stands above them, name every column; --header no reads that row as readings"
        )


def _shape(cell: str) -> str | None:
    """Return how a cell is written that could be a time: its digits and letters as 9 and A; None: it could not."""
    cell = cell.strip()
    if sum(map(str.isdigit, cell)) < 4 or len(re.findall(r"\d+", cell)) < 2 or _NUMBER.fullmatch(cell):
        return None
    return re.sub(r"[^\W\d_]+", "A", re.sub(r"\d+", "9", cell))


def _alike(cell: str, others: Sequence[str]) -> bool:
    return all(_shape(other) == _shape(cell) for other in others if other.strip())
