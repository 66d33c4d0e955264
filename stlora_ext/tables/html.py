"""Tables as one HTML page."""

from collections.abc import Sequence
from itertools import groupby

from markupsafe import Markup

from stlora_ext.tables.table import Grid, Table
from stlora_ext.templates import filled


def render(tables: Sequence[Table]) -> str:
    """Return a page with the tables."""
    title = ", ".join(dict.fromkeys(table.dataset for table in tables if table.dataset)) or "Tables"
    return filled("tables/page.html", title=title, tables=[(table.dataset, fragment(table)) for table in tables]) + "\n"


def fragment(table: Table) -> Markup:
    """Return a table for inside a page, without its data set's name."""
    return filled("tables/table.html", table=table, grids=map(grid_fragment, table.grids))


def grid_fragment(grid: Grid) -> Markup:
    """Return one grid as a table element."""
    spans = [(group, len(list(columns))) for group, columns in groupby(grid.columns, lambda column: column.group)]
    return filled("tables/grid.html", grid=grid, groups=spans if any(group for group, _ in spans) else ())
