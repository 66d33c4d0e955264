"""Text in a CSV that a spreadsheet may open: what begins like a formula gets ' in front, and is read without it."""

import re
from typing import Any

_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")  # the last four: their full-width forms
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def safe_cell(value: Any) -> Any:
    """Return what to write into a cell: a text that a spreadsheet would calculate gets ' in front, all else stays.

    A text that is a number stays one. ``plain_text`` is the way back.
    """
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def plain_text(cell: str) -> str:
    """Return the text that ``safe_cell`` wrote as ``cell``."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
