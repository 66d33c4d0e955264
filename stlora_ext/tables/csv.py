"""Every figure of tables as CSV, in full precision."""

import csv
import io
from collections.abc import Sequence

from stlora_ext.spreadsheet import safe_cell
from stlora_ext.tables.table import Table
from stlora_ext.tables.tidy import FIELDS


def render(tables: Sequence[Table]) -> str:
    """Return one row per data set, protocol, arm, model, horizon and metric; what there is no figure for is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    for table in tables:
        writer.writerows({name: safe_cell(value) for name, value in figure.items()} for figure in table.figures)
    return text.getvalue()
