"""Tables as one HTML page."""

from collections.abc import Sequence
from html import escape
from itertools import groupby

from stlora_ext.tables.table import Cell, Grid, Table

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 14px sans-serif; margin: 2em; }}
table {{ border-collapse: collapse; margin: 1em 0; }}
.scroll {{ overflow-x: auto; }}
caption {{ text-align: left; font-style: italic; }}
th, td {{ padding: 2px 8px; border-bottom: 1px solid #ccc; white-space: nowrap; text-align: left; }}
.figure {{ text-align: right; }}
</style>
</head>
<body>
"""


def render(tables: Sequence[Table]) -> str:
    """Return a page with the tables."""
    title = ", ".join(dict.fromkeys(table.dataset for table in tables))
    return _HEAD.format(title=escape(title)) + "".join(map(_table, tables)) + "</body>\n</html>\n"


def _table(table: Table) -> str:
    return f"<h2>{escape(table.dataset)}</h2>\n" + fragment(table)


def fragment(table: Table) -> str:
    """Return a table for inside a page, without its data set's name."""
    lines = [f"<p>{escape(table.heading)}</p>"] if table.heading else []
    lines.append(f"<p>{escape(table.caption)}</p>")
    lines += [grid_fragment(grid) for grid in table.grids]
    lines += [f'<p class="note">{escape(note)}</p>' for note in table.notes]
    if table.missing:
        lines += ["<p>Missing, and what fills it:</p>", "<ul>"]
        lines += [f"<li>{escape(title)}: <code>{escape(command)}</code></li>" for title, command in table.missing]
        lines.append("</ul>")
    return "\n".join(lines) + "\n"


def grid_fragment(grid: Grid) -> str:
    """Return one grid as a table element."""
    lines = ['<div class="scroll">', "<table>"]
    lines += [f"<caption>{escape(grid.title)}</caption>"] if grid.title else []
    lines.append("<thead>")
    if any(column.group for column in grid.columns):
        spans = [(group, len(list(members))) for group, members in groupby(grid.columns, lambda column: column.group)]
        lines.append("<tr>" + "".join(f'<th colspan="{span}">{escape(group)}</th>' for group, span in spans) + "</tr>")
    lines.append(
        "<tr>"
        + "".join(f'<th scope="col" class="{column.kind}">{escape(column.title)}</th>' for column in grid.columns)
        + "</tr>"
    )
    lines += ["</thead>", "<tbody>"]
    lines += ["<tr>" + "".join(map(_cell, row)) + "</tr>" for row in grid.rows]
    return "\n".join([*lines, "</tbody>", "</table>", "</div>"])


def _cell(cell: Cell) -> str:
    text = f"<strong>{escape(cell.text)}</strong>" if cell.bold else escape(cell.text)
    return f'<td class="{cell.kind}">{text}</td>'
