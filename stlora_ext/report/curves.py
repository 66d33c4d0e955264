"""Error against horizon, and the course of training."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from stlora_ext.data.quantity import Quantity
from stlora_ext.horizons import reported_steps
from stlora_ext.plots.labels import row_labels
from stlora_ext.plots.series import colours, error_band, num_steps, seeds_of, style, titles
from stlora_ext.report.figure import Choice, Figure, height_for, label
from stlora_ext.runs.record import Record
from stlora_ext.runs.record_check import METRICS
from stlora_ext.tables.rows import Row

DASHES = {
    "base": "dash",
    "plus": "solid",
    "control": "dot",
    "wide": "2px,7px",
    "finetune": "longdash",
    "plus, adapt": "dashdot",
    "control, adapt": "9px,3px,2px,3px,2px,3px",
    "wide, adapt": "9px,3px,2px,7px,2px,7px",
}
_TRAINING = (
    ("validation MAE", lambda entry: entry.get("val", {}).get("MAE")),
    ("training loss", lambda entry: entry.get("loss")),
    ("learning rate", lambda entry: entry.get("lr")),
)


def horizon_figure(
    name: str, dataset: str, rows: Sequence[Row], quantity: Quantity, horizons: Sequence[int] | None = None
) -> Figure:
    """Draw the mean error of each row over the forecast steps, one standard deviation around it; ``horizons`` are the
    steps that the axis names, None: the usual ones."""
    last = num_steps(rows[0])
    named = reported_steps(last, horizons, dataset)
    steps = list(range(1, last + 1))
    ahead = titles(rows[0], steps)
    traces = []
    for place, metric in enumerate(METRICS):
        for row, text, colour in zip(rows, row_labels(rows), colours(rows), strict=True):
            mean, low, high = error_band(row, metric)
            shown = label(f"{text}, {seeds_of(row)}")
            if high != low:
                traces.append(
                    go.Scatter(
                        x=steps + steps[::-1],
                        y=high + low[::-1],
                        meta=[place],
                        name=shown,
                        legendgroup=shown,
                        showlegend=False,
                        fill="toself",
                        fillcolor=_faint(colour),
                        line={"width": 0},
                        mode="lines",
                        hoverinfo="skip",
                    )
                )
            traces.append(
                go.Scatter(
                    x=steps,
                    y=mean,
                    text=ahead,
                    meta=[place],
                    name=shown,
                    legendgroup=shown,
                    mode="lines+markers",
                    line={"color": colour, "dash": style(row, DASHES)},
                    marker={"size": 5},
                    hovertemplate=f"%{{fullData.name}}<br>%{{text}}: {metric} %{{y:.5~g}}<extra></extra>",
                )
            )
    return Figure(
        name,
        f"{dataset}: error against horizon",
        "Test error of each forecast step, mean over seeds; the band is one standard deviation of them. Dashed: a "
        "backbone alone; solid, in the same colour: with its adapter; dotted: control, sparsely: wide; "
        "dash-dotted: protocol adapt, with more dots in these arms. A click on a name hides it.",
        traces,
        {
            "height": height_for(len(rows)),
            "xaxis": {"title": {"text": "ahead"}, "tickvals": named, "ticktext": titles(rows[0], named)},
            "yaxis": {"title": {"text": label(quantity.axis(METRICS[0]))}},
        },
        (Choice("Error", METRICS),),
        tuple({"yaxis.title.text": label(quantity.axis(metric)), "yaxis.autorange": True} for metric in METRICS),
    )


def training_figure(name: str, dataset: str, rows: Sequence[Row], quantity: Quantity) -> Figure | None:
    """Draw the course of every run's training; None where none was trained by epochs."""
    styled = [
        (row, text, colour)
        for row, text, colour in zip(rows, row_labels(rows), colours(rows), strict=True)
        if row.protocol != "fitted"
    ]
    traces = []
    for place, (_, value) in enumerate(_TRAINING):
        for row, text, colour in styled:
            shown = label(text)
            runs = [(record, _course(record, value)) for record in row.records]
            for number, (record, (epochs, values)) in enumerate((run, course) for run, course in runs if course[0]):
                traces.append(
                    go.Scatter(
                        x=epochs,
                        y=values,
                        meta=[place],
                        name=shown,
                        legendgroup=shown,
                        showlegend=number == 0,
                        mode="lines+markers",
                        marker={"size": 4},
                        opacity=0.85,
                        line={"color": colour, "width": 1.5, "dash": style(row, DASHES)},
                        hovertemplate=f"%{{fullData.name}}, {label(_run(record))}<br>epoch %{{x}}: %{{y:.5g}}"
                        "<extra></extra>",
                    )
                )
    if not traces:
        return None
    last = max(max(trace.x) for trace in traces)
    axes = [title if title == "learning rate" else label(quantity.axis(title)) for title, _ in _TRAINING]
    return Figure(
        name,
        f"{dataset}: course of training",
        "A line per run; runs of a model with other seeds share its colour. The weights of the best epoch on "
        "validation are the ones tested. The training loss is the masked MAE in original units.",
        traces,
        {
            "height": height_for(len(styled)),
            "xaxis": {"title": {"text": "epoch"}, "rangemode": "tozero", "dtick": max(1, round(last / 10))},
            "yaxis": {"title": {"text": axes[0]}},
        },
        (Choice("Show", tuple(title for title, _ in _TRAINING)),),
        tuple({"yaxis.title.text": title, "yaxis.autorange": True, "xaxis.autorange": True} for title in axes),
    )


def _course(record: Record, value: Any) -> tuple[list[int], list[float]]:
    known = [(entry["epoch"], value(entry)) for entry in record.training.history]
    known = [(epoch, number) for epoch, number in known if number is not None]
    return [epoch for epoch, _ in known], [number for _, number in known]


def _run(record: Record) -> str:
    best, seed = record.training.best_epoch, record.key.seed
    return ("all seeds" if seed is None else f"seed {seed}") + (f", best epoch {best}" if best else "")


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.15)"
