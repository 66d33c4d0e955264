"""Every number of tables as CSV, in full precision."""

import csv
import io
from collections.abc import Sequence

from stlora_ext.spreadsheet import safe_cell
from stlora_ext.tables.table import Table


def render(tables: Sequence[Table]) -> str:
    """Return a row per entry of the tables' ``numbers``, which have the same fields; what isn't there is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, tables[0].fields, lineterminator="\n")
    writer.writeheader()
    for table in tables:
        writer.writerows({name: safe_cell(value) for name, value in entry.items()} for entry in table.numbers)
    return text.getvalue()
