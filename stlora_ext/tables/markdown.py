"""Tables in Markdown."""

from collections.abc import Sequence

from stlora_ext.tables.table import Cell, Column, Grid, Table

_ESCAPED = str.maketrans({"\\": "\\\\", "|": "\\|", "<": "&lt;", "*": "\\*", "`": "\\`", "\n": " ", "\r": " "})


def render(tables: Sequence[Table]) -> str:
    """Return the tables, one after the other."""
    return "\n".join(map(_table, tables))


def _table(table: Table) -> str:
    parts = [f"{_escape(table.heading)}\n"] if table.heading else []
    if table.dataset:
        parts.append(", ".join(filter(None, (f"**{_escape(table.dataset)}**", table.caption))) + "\n")
    for grid in table.grids:
        parts += [f"*{_escape(grid.title)}*\n"] if grid.title else []
        parts.append(_grid(grid))
    parts += [f"{_escape(note)}\n" for note in table.notes]
    if table.missing:
        parts.append("Missing, and what fills it:\n")
        parts.append("".join(f"- {_escape(title)}: {_code(command)}\n" for title, command in table.missing))
    return "\n".join(parts)


def _grid(grid: Grid) -> str:
    lines = [
        [_head(column) for column in grid.columns],
        ["---:" if column.kind == "number" else "---" for column in grid.columns],
        *([_cell(cell) for cell in row] for row in grid.rows),
    ]
    return "".join(f"| {' | '.join(texts)} |\n" for texts in lines)


def _head(column: Column) -> str:
    return _escape(f"{column.group} {column.title}".strip())


def _cell(cell: Cell) -> str:
    text = f"**{_escape(cell.text)}**" if cell.bold else _escape(cell.text)
    return f"{text} {cell.sign}" if cell.sign else text


def _escape(text: str) -> str:
    return text.translate(_ESCAPED)


def _code(text: str) -> str:
    text = " ".join(text.split())
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"
