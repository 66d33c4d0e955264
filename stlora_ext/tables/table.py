"""A table as cells, before it takes the form of Markdown, LaTeX, HTML or CSV."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stlora_ext.tables.tidy import FIELDS


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: What it says.
        kind: ``name``, ``count`` or ``number``.
        bold: Whether it is the best of its column, or a clear difference.
        sign: What stands behind it, such as "‡"; explained in the table's notes.
    """

    text: str
    kind: Literal["name", "count", "number"] = "number"
    bold: bool = False
    sign: str = ""


@dataclass(frozen=True)
class Column:
    """The head of one column.

    Attributes:
        title: What it says.
        group: What stands over it and its neighbours of the same group; empty: nothing.
        kind: What its cells hold.
    """

    title: str
    group: str = ""
    kind: Literal["name", "count", "number"] = "number"


def headed(heads: Sequence[str]) -> tuple[Column, ...]:
    """Return columns of numbers after one of names."""
    return tuple(Column(head, kind="number" if place else "name") for place, head in enumerate(heads))


@dataclass(frozen=True)
class Grid:
    """Cells in rows under columns.

    Attributes:
        title: Protocol and arm, or what it is; empty: nothing.
        columns: The heads.
        rows: The cells.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        dataset: The name of its data set, or of what else it is about; empty: it has no title.
        heading: Which data, where there are several under the name; else empty.
        caption: What the numbers are, after the name.
        grids: The cells.
        notes: One sentence or list each.
        missing: What is missing and the command that fills it.
        numbers: Every number in full precision, by column.
        fields: Those columns.
    """

    dataset: str
    heading: str = ""
    caption: str = ""
    grids: tuple[Grid, ...] = ()
    notes: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    numbers: tuple[Mapping[str, Any], ...] = ()
    fields: tuple[str, ...] = FIELDS
