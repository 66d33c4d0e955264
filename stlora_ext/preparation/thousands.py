"""Marks between thousands, which a reader of decimals would take for decimal points: 1,234 as 1.234."""

import re
from collections.abc import Iterable, Sequence

from stlora_ext.errors import UserError

_GROUPED = {mark: re.compile(rf"\s*[-+]?[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{3}})+\s*") for mark in ",."}
_DECIMALS = {mark: re.compile(rf"\s*[-+]?\d*{re.escape(mark)}\d+(?:[eE][-+]?\d+)?\s*") for mark in ",."}


class Thousands:
    """Looks at the rows of a table for numbers whose marks may stand between thousands.

    They may where every number that has the mark has three digits behind it, and the same column holds whole numbers
    without it, or commas separate the cells too. Decimals of another length settle that they don't.
    """

    def __init__(self, separator: str) -> None:
        self._open = {","} if separator == "," else {",", "."}
        self._alone = separator == ","  # where commas separate cells, none is a usual decimal mark
        self._grouped: dict[str, dict[int, str]] = {",": {}, ".": {}}
        self._plain: set[int] = set()

    def see(self, row: Sequence[str]) -> None:
        """Look at a row."""
        if not self._open:
            return
        text = "\n".join(row)
        for mark in tuple(self._open):
            if mark in text:
                for place, cell in enumerate(row):
                    if mark in cell and _GROUPED[mark].fullmatch(cell):
                        self._grouped[mark].setdefault(place, cell.strip())
                    elif mark in cell and _DECIMALS[mark].fullmatch(cell):
                        self._open.discard(mark)
        if any(self._grouped[mark] for mark in self._open):
            self._plain.update(place for place, cell in enumerate(row) if cell.strip().isdigit())

    def refuse(self, origin: str, first: Iterable[Sequence[str]]) -> None:
        """Refuse the table if its marks may stand between thousands.

        Args:
            origin: The file, for the message.
            first: Its first rows, which are looked at again for whole numbers.

        Raises:
            UserError: If they may.
        """
        if not any(self._grouped[mark] for mark in self._open):
            return
        for row in first:
            self.see(row)
        for mark in sorted(self._open):
            for place, cell in self._grouped[mark].items():
                if place in self._plain or self._alone:
                    number = cell.replace(mark, "")
                    raise UserError(
                        f"{origin}, column {place + 1}: '{cell}' may be {number} or {cell.replace(mark, '.', 1)}: "
                        f"expected numbers without marks between thousands, such as {number}; write them so "
                        f"(pandas.read_csv reads them with thousands='{mark}'), or decimals with four digits"
                    )
