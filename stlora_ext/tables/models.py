"""The table of models: what each backbone is, has and needs."""

from collections.abc import Sequence
from typing import NamedTuple

from stlora_ext.tables.table import Cell, Column, Grid, Table

FIELDS = ("model", "paper", "parameters", "adapter", "adapter_percent", "holds_nodes", "graph", "tested_with")
_OPTIONS = {"compile": "compile", "bf16": "bf16", "cuda-graphs": "recorded steps"}


class ModelRow(NamedTuple):
    """What a line says of a backbone.

    Attributes:
        model: Its name.
        paper: Author, year and venue.
        parameters: Its parameters.
        adapter: Those that "+" adds.
        holds_nodes: The tensor or input that holds the nodes; None: it is node-agnostic.
        graph: Whether it takes the data set's graph.
        tested_with: Options of ``run.py`` that its tests cover.
    """

    model: str
    paper: str
    parameters: int
    adapter: int
    holds_nodes: str | None
    graph: bool
    tested_with: Sequence[str]


def models_table(rows: Sequence[ModelRow], num_nodes: int, failed: Sequence[tuple[str, str]] = ()) -> Table:
    """Return the table.

    Args:
        rows: Its lines.
        num_nodes: Nodes of the network that parameters are counted for.
        failed: Models that can't be built here, and why.
    """
    heads = (
        Column("Model", kind="name"),
        Column("Paper", kind="name"),
        Column(f"Parameters, {num_nodes} nodes"),
        Column('"+" adds'),
        Column('"+" adds %'),
        Column("Node-agnostic", kind="name"),
        Column("Graph", kind="name"),
        Column("Tested with", kind="name"),
    )
    notes = [
        "A backbone that isn't node-agnostic names the tensor that holds the nodes, or the inputs, which it mixes."
    ]
    notes += [f"{name} can't be built here: {reason}" for name, reason in failed]
    return Table(
        "",
        grids=(Grid("", heads, tuple(_cells(row) for row in rows)),),
        notes=tuple(notes),
        numbers=tuple(
            {
                **row._asdict(),
                "adapter_percent": _percent(row),
                "holds_nodes": row.holds_nodes or "",
                "tested_with": " ".join(row.tested_with),
            }
            for row in rows
        ),
        fields=FIELDS,
    )


def _percent(row: ModelRow) -> float | None:
    return 100 * row.adapter / row.parameters if row.parameters else None


def _cells(row: ModelRow) -> tuple[Cell, ...]:
    percent = _percent(row)
    return (
        Cell(row.model, "name"),
        Cell(row.paper, "name"),
        Cell(f"{row.parameters:,}"),
        Cell(f"{row.adapter:,}"),
        Cell("n/a" if percent is None else f"{percent:.1f}"),
        Cell("yes" if row.holds_nodes is None else f"no: {row.holds_nodes}", "name"),
        Cell("yes" if row.graph else "no", "name"),
        Cell(", ".join(_OPTIONS.get(option, option) for option in row.tested_with) or "none", "name"),
    )
