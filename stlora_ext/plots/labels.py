"""What a row is called where rows of every protocol and arm stand together."""

from collections.abc import Sequence

from stlora_ext.tables.pairs import name
from stlora_ext.tables.rows import Row


def row_labels(rows: Sequence[Row]) -> list[str]:
    """Return a name per row, no two alike: the model, its arm, its protocol, and its configuration where needed."""
    names = [
        name(row) + (", adapt" if row.protocol == "adapt" and not row.records[0].fitted_backbone else "")
        for row in rows
    ]
    return [
        label + (f" [{row.config_hash}]" if names.count(label) > 1 else "")
        for label, row in zip(names, rows, strict=True)
    ]
