"""What models cost: parameters and time."""

import statistics
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from stlora_ext.plots.labels import row_labels
from stlora_ext.plots.series import colours
from stlora_ext.report.figure import Choice, Figure, label
from stlora_ext.runs.record import Record
from stlora_ext.tables.rows import Row
from stlora_ext.tables.table import Cell, Column, Grid


def costs_grid(rows: Sequence[Row]) -> Grid:
    """Return a line per row."""
    heads = (
        Column("Model", kind="name"),
        Column("Backbone", "Parameters"),
        Column("Adapter", "Parameters"),
        Column("Added %", "Parameters"),
        Column("Trained", "Parameters"),
        Column("Epochs", "Training"),
        Column("s per epoch", "Training"),
        Column("s in all", "Training"),
        Column("Hardware", kind="name"),
    )
    return Grid("", heads, tuple(_line(row, text) for row, text in zip(rows, row_labels(rows), strict=True)))


def costs_figure(name: str, dataset: str, rows: Sequence[Row]) -> Figure:
    """Draw parameters, and time per epoch and in all."""
    labels = [label(text) for text in row_labels(rows)]
    first = [row.records[0].parameters for row in rows]

    def bars(place: int, values: Sequence[float | None], unit: str, part: str = "", opacity: float = 1.0) -> go.Bar:
        said = f"{part} %{{x:,.6~g}} {unit}".strip()
        return go.Bar(
            y=labels,
            x=values,
            meta=[place],
            orientation="h",
            name=part or unit,
            showlegend=False,
            opacity=opacity,
            marker={"color": colours(rows)},
            hovertemplate=f"%{{y}}<br>{said}<extra></extra>",
        )

    titles = ("parameters", "seconds per epoch", "seconds in all")
    traces = [
        bars(0, [counts.backbone for counts in first], "parameters", "backbone"),
        bars(0, [counts.adapter for counts in first], "parameters", "adapter", 0.55),
        bars(1, [_mean(row, _epoch_seconds) for row in rows], "s"),
        bars(2, [_mean(row, _all_seconds) for row in rows], "s"),
    ]
    return Figure(
        name,
        f"{dataset}: parameters and time",
        "Parameters: backbone, then, paler, adapter. Times: mean over runs; they compare only where hardware, number "
        "of threads and what else ran beside them are the same. The table tells the first two. Fitted models have no "
        "epochs.",
        traces,
        {
            "height": 140 + 30 * len(rows),
            "barmode": "stack",
            "margin": {"l": 8, "r": 16, "t": 16, "b": 56},
            "xaxis": {"title": {"text": titles[0]}, "rangemode": "tozero"},
            "yaxis": {"type": "category", "autorange": "reversed", "automargin": True},
        },
        (Choice("Show", titles),),
        tuple({"xaxis.title.text": title, "xaxis.autorange": True} for title in titles),
    )


def _line(row: Row, text: str) -> tuple[Cell, ...]:
    parameters, records = row.records[0].parameters, row.records
    percent = parameters.adapter_percent
    epochs = [str(record.training.epochs) for record in records]
    where = sorted({hardware(record) for record in records})
    return (
        Cell(text, "name"),
        *(Cell(_count(count)) for count in (parameters.backbone, parameters.adapter)),
        Cell(f"{percent:.2f}" if percent else ""),
        Cell(_count(parameters.trainable)),
        Cell(", ".join(dict.fromkeys(epochs))),
        Cell(_seconds(_mean(row, _epoch_seconds))),
        Cell(_seconds(_mean(row, _all_seconds))),
        Cell("; ".join(where), "name"),
    )


def hardware(record: Record) -> str:
    """Return the kind of hardware, the threads and, of several, the processes of a run."""
    origin = record.provenance
    threads = f", {origin.threads} thread{'s' * (origin.threads != 1)}" if origin.threads else ""
    processes = f", {origin.data_parallel} processes" if origin.data_parallel > 1 else ""
    return f"{origin.hardware or 'unknown'}{threads}{processes}"


def _epoch_seconds(record: Record) -> float | None:
    return record.training.seconds_per_epoch


def _all_seconds(record: Record) -> float | None:
    seconds: list[Any] = [epoch.get("seconds") for epoch in record.training.history]
    return sum(seconds) if seconds and None not in seconds else None


def _mean(row: Row, value: Any) -> float | None:
    values = [value(record) for record in row.records]
    return None if None in values else statistics.fmean(values)


def _count(value: int | None) -> str:
    return "n/a" if value is None else f"{value:,}"


def _seconds(value: float | None) -> str:
    return "n/a" if value is None else f"{value:,.1f}"
