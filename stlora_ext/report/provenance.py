"""Where every record comes from, and the settings behind it."""

import json
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from stlora_ext.plots.labels import row_labels
from stlora_ext.report.costs import hardware
from stlora_ext.runs.record import Record
from stlora_ext.tables.html import grid_fragment
from stlora_ext.tables.rows import Row
from stlora_ext.tables.table import Cell, Column, Grid
from stlora_ext.templates import filled, lines


def provenance(rows: Sequence[Row]) -> Markup:
    """Return a table with a line per record, and the configuration of each row."""
    titles = (
        "Record",
        "Status",
        "Data",
        "Commit",
        "Hardware",
        "Compiled",
        "CUDA graphs",
        "Adapted backbone",
        "Versions",
    )
    grid = Grid(
        "",
        tuple(Column(title, kind="name") for title in titles),
        tuple(_line(record) for row in rows for record in row.records),
    )
    settings = [
        (text, row.config_hash, json.dumps(row.records[0].configuration.as_dict(), indent=1, sort_keys=True))
        for row, text in zip(rows, row_labels(rows), strict=True)
    ]
    return lines([grid_fragment(grid), filled("report/settings.html", rows=settings)])


def _line(record: Record) -> tuple[Cell, ...]:
    origin, backbone = record.provenance, record.adapted_key
    versions = ", ".join(f"{package} {version}" for package, version in origin.versions.items())
    null_val = record.data.null_val
    texts = (
        f"{record.key.path}.json",
        record.status,
        f"{record.data.fingerprint[:19]}, missing: {'NaN' if null_val is None else f'{null_val:g}'}",
        _commit(origin.git_commit),
        hardware(record),
        *("yes" if flag else "no" for flag in (origin.compiled, origin.cuda_graphs)),
        str(backbone.path) if backbone else "",
        versions or "unknown",
    )
    return tuple(Cell(str(text), "name") for text in texts)


def _commit(commit: Any) -> str:
    if not commit:
        return "unknown"
    digest, plus, changes = str(commit).partition("+")
    return digest[:12] + plus + changes
