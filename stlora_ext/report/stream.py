"""The chapter of a stream: the error over time, what each arm scores and costs, the losses of the updates."""

from collections.abc import Iterator, Mapping, Sequence, Sized
from pathlib import Path

import plotly.graph_objects as go

from stlora_ext.data.quantity import Quantity, quantity
from stlora_ext.digits import number, with_spread
from stlora_ext.plots.error_over_time import Course, arm_colours, arm_labels, by_backbone, course, cut_at, spans_weeks
from stlora_ext.plots.series import style
from stlora_ext.report.chapter import chapter_title
from stlora_ext.report.costs import hardware
from stlora_ext.report.curves import DASHES
from stlora_ext.report.figure import Choice, Figure, height_for, label
from stlora_ext.report.page import Chapter, Section
from stlora_ext.report.provenance import provenance
from stlora_ext.runs.record import Record
from stlora_ext.runs.record_check import METRICS
from stlora_ext.tables.groups import DataGroup
from stlora_ext.tables.html import fragment, grid_fragment
from stlora_ext.tables.rows import Row
from stlora_ext.tables.statistics import MeanStd
from stlora_ext.tables.table import Cell, Column, Grid, Table

_SYMBOLS = {"base": "x", "control": "square", "wide": "diamond", "plus": "circle", "finetune": "triangle-up"}
_ENDS = ("yaxis.autorangeoptions.minallowed", "yaxis.autorangeoptions.maxallowed")
_MARKED = 80  # points of a line; more have no room for markers
_CLOCK, _SHOWN = "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"


def stream_chapter(number: int, group: DataGroup, table: Table, folder: Path) -> Chapter:
    """Return the chapter of a data set's runs of protocol ``stream``.

    Args:
        number: Sets its anchors apart from the other data sets'.
        group: The runs.
        table: Their table.
        folder: Folder of the prepared data sets.

    Raises:
        UserError: If a record lacks the sums of its periods, or doesn't say when its test set begins.
    """
    dataset, name, measured = group.dataset, f"stream-{number}", quantity(group.dataset, folder)
    title = f"{chapter_title(dataset, group.heading, measured)}, updated while its data go on"
    groups = by_backbone(group.rows)
    parts = [
        (
            "over-time",
            "Error over time",
            over_time_figure(f"{name}-over-time-figure", dataset, groups, measured).html(),
        ),
        ("arms", "Arms", grid_fragment(arms_grid(groups))),
        ("table", "Tables", fragment(table)),
    ]
    losses = losses_figure(f"{name}-losses-figure", dataset, groups, measured)
    if losses is not None:
        parts.append(("losses", "Losses of the updates", losses.html()))
    parts.append(("provenance", "Provenance", provenance(group.rows)))
    return Chapter(name, title, tuple(Section(f"{name}-{anchor}", heading, body) for anchor, heading, body in parts))


def over_time_figure(name: str, dataset: str, groups: Mapping[str, Sequence[Row]], quantity: Quantity) -> Figure:
    """Draw the error over time of each arm; a drop-down chooses the backbone, another weekly means or each period."""
    weeks = all(spans_weeks(row) for rows in groups.values() for row in rows)
    points = ("weekly means", "each period") if weeks else ("each period",)
    traces: list[go.Scatter] = []
    changes = []
    for place, rows in enumerate(groups.values()):
        courses = [[course(row, weekly=option == "weekly means") for row in rows] for option in points]
        top = cut_at(rows, courses[-1])
        ends = (None, None) if top is None else (0, top)  # None: where the lines end
        changes.append({"yaxis.autorange": True, **dict(zip(_ENDS, ends, strict=True))})
        for option, lines in enumerate(courses):
            traces += _lines([place, option], rows, lines, top)
    return Figure(
        name,
        f"{dataset}: error over time",
        "Test MAE of the forecasts whose first step lies in a stretch of time, mean over seeds, at its middle. A gap "
        "has no readings. A base far above the updated models is cut off, and its name tells its largest "
        "error. Drag over a stretch or in the strip below to zoom, double click to go back; a click on a name hides "
        "it.",
        traces,
        {
            "height": max(500, height_for(max(map(len, groups.values())))),
            "margin": {"l": 64, "r": 16, "t": 16, "b": 24},
            "dragmode": "zoom",
            "xaxis": {"type": "date", "rangeslider": {"visible": True, "thickness": 0.12}},
            "yaxis": {
                "title": {"text": label(quantity.axis("MAE"))},
                "fixedrange": False,
                "autorangeoptions": {end.rpartition(".")[2]: changes[0][end] for end in _ENDS},
            },
        },
        (Choice("Backbone", tuple(groups)), *([Choice("Points", points)] if weeks else [])),
        tuple(changes),
    )


def _lines(
    places: Sequence[int], rows: Sequence[Row], courses: Sequence[Course], top: float | None
) -> Iterator[go.Scatter]:
    for row, text, colour, line in zip(rows, arm_labels(rows), arm_colours(rows), courses, strict=True):
        cut = top is not None and row.arm == "base" and line.largest > top
        yield go.Scatter(
            x=line.middles.strftime(_CLOCK).tolist(),
            y=[float(f"{value:.6g}") for value in line.values],
            text=line.begins.strftime(_SHOWN).tolist(),
            meta=list(places),
            name=label(f"{text}, up to {number(line.largest)}" if cut else text),
            mode=_mode(line.values),
            line={"color": colour, "width": 1.5, "dash": style(row, DASHES)},
            marker={"size": 5, "symbol": _SYMBOLS[row.arm]},
            hovertemplate="from %{text} on<br>%{fullData.name}: MAE %{y:.5~g}<extra></extra>",
        )


def losses_figure(name: str, dataset: str, groups: Mapping[str, Sequence[Row]], quantity: Quantity) -> Figure | None:
    """Draw the training loss of each update, a line per run; None where nothing was updated."""
    updated = {
        backbone: chosen
        for backbone, rows in groups.items()
        if (chosen := [row for row in rows if _losses(row.records[0])])
    }
    if not updated:
        return None
    traces = [trace for place, rows in enumerate(updated.values()) for trace in _runs(place, rows)]
    return Figure(
        name,
        f"{dataset}: losses of the updates",
        "The mean training loss of each update, of the windows that it drew from the recent past: the masked MAE in "
        "original units, unless the model brings a loss of its own. "
        "A line per run; runs of an arm with other seeds share its colour. An update with nothing to "
        "learn from is a gap.",
        traces,
        {
            "height": height_for(max(map(len, updated.values()))),
            "xaxis": {"type": "date"},
            "yaxis": {"title": {"text": label(quantity.axis("training loss"))}},
        },
        (Choice("Backbone", tuple(updated)),),
        tuple({"yaxis.autorange": True} for _ in updated),
    )


def _runs(place: int, rows: Sequence[Row]) -> Iterator[go.Scatter]:
    for row, text, colour in zip(rows, arm_labels(rows), arm_colours(rows), strict=True):
        times = course(row, weekly=False).begins.strftime(_CLOCK).tolist()
        for number_of_run, record in enumerate(row.records):
            seed = "all seeds" if record.key.seed is None else f"seed {record.key.seed}"
            yield go.Scatter(
                x=times,
                y=_losses(record),
                meta=[place],
                name=label(text),
                legendgroup=label(text),
                showlegend=number_of_run == 0,
                mode=_mode(times),
                marker={"size": 4, "symbol": _SYMBOLS[row.arm]},
                opacity=0.85,
                line={"color": colour, "width": 1.5, "dash": style(row, DASHES)},
                hovertemplate=f"%{{x}}<br>%{{fullData.name}}, {seed}: %{{y:.5~g}}<extra></extra>",
            )


def _mode(points: Sized) -> str:
    return "lines" if len(points) > _MARKED else "lines+markers"


def _losses(record: Record) -> list[float | None]:
    return [] if record.stream is None else list(record.stream.loss)


def arms_grid(groups: Mapping[str, Sequence[Row]]) -> Grid:
    """Return a line per arm of each backbone: its scores, and what an update costs."""
    heads = (
        Column("Arm", kind="name"),
        Column("Seeds", kind="count"),
        *(Column(f"{metric}, %" if metric == "MAPE" else metric, "Test") for metric in METRICS),
        Column("Parameters", "An update"),
        Column("Seconds", "An update"),
        Column("Adapter, kB", "Files"),
        Column("Service, kB", "Files"),
        Column("Hardware", kind="name"),
    )
    lines = [
        _arm(row, f"{backbone}, {text}")
        for backbone, rows in groups.items()
        for row, text in zip(rows, arm_labels(rows), strict=True)
    ]
    return Grid("", heads, tuple(lines))


def _arm(row: Row, text: str) -> tuple[Cell, ...]:
    record = row.records[0]
    stream, seconds = record.stream, row.seconds_per_update
    files = (record.adapter_bytes, None if stream is None else stream.service_bytes)
    return (
        Cell(text, "name"),
        Cell("any" if row.deterministic else str(len(row.seeds)), "count"),
        *(Cell(_score(row.cell(None, metric))) for metric in METRICS),
        Cell(f"{0 if stream is None else stream.parameters_updated:,}"),
        Cell("" if seconds is None else number(seconds)),
        *(Cell("" if size is None else f"{size / 1000:,.1f}") for size in files),
        Cell("; ".join(sorted({hardware(run) for run in row.records})), "name"),
    )


def _score(value: MeanStd) -> str:
    return "n/a" if value.mean is None else with_spread(value.mean, value.std or None)
