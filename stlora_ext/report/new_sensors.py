"""The chapter of new sensors: the error against the days that their weights were fitted on, and the tables."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import plotly.graph_objects as go
from markupsafe import Markup

from stlora_ext.data.quantity import Quantity, quantity
from stlora_ext.errors import UserError
from stlora_ext.plots.error_by_days import Line, Panel, panels
from stlora_ext.report.chapter import absent, chapter_title
from stlora_ext.report.figure import Choice, Figure, height_for, label
from stlora_ext.report.page import Chapter, Section
from stlora_ext.report.provenance import provenance
from stlora_ext.tables.groups import DataGroup
from stlora_ext.tables.html import fragment
from stlora_ext.tables.table import Table

_DASHES = {"base": "dash", "control": "dot", "plus": "solid", "full": "dashdot"}


def new_sensors_chapter(number: int, group: DataGroup, table: Table, folder: Path) -> Chapter:
    """Return the chapter of a data set's runs of protocol ``new-sensors``.

    Args:
        number: Sets its anchors apart from the other data sets'.
        group: The runs.
        table: Their table.
        folder: Folder of the prepared data sets.
    """
    dataset, name, measured = group.dataset, f"new-sensors-{number}", quantity(group.dataset, folder)
    title = f"{chapter_title(dataset, group.heading, measured)}, sensors that were set aside"
    parts = (
        ("days", "Error against days", _days(f"{name}-days-figure", group, measured)),
        ("table", "Tables", fragment(table)),
        ("provenance", "Provenance", provenance(group.rows)),
    )
    return Chapter(name, title, tuple(Section(f"{name}-{anchor}", heading, body) for anchor, heading, body in parts))


def _days(name: str, group: DataGroup, measured: Quantity) -> Markup:
    try:
        return days_figure(name, group.dataset, panels(group.dataset, group.rows), measured).html()
    except UserError as error:
        return absent(f"Not shown: {error}.")


def days_figure(name: str, dataset: str, drawn: Sequence[Panel], measured: Quantity) -> Figure:
    """Draw the error of "+" against days, and the other arms as levels; a drop-down chooses the backbone."""
    return Figure(
        name,
        f"{dataset}: error on new sensors against days",
        "Test MAE on the sensors that were set aside, mean over splits of the means over seeds, of the splits and "
        "seeds that all arms have. “+”: each new sensor's weights, and nothing else, are fitted on its last days of "
        "training rows; 0 d: they are the known sensors' mean. full is trained on all sensors. A bar is the 95 % "
        "interval over splits of “+” minus control, about the mean of “+”: where it leaves the control's level out, "
        "the difference is clear of 0.",
        [trace for place, panel in enumerate(drawn) for line in panel.lines for trace in _traces(place, panel, line)],
        {
            "height": height_for(max(len(panel.lines) for panel in drawn)),
            "xaxis": {
                "type": "category",
                "categoryorder": "array",
                "categoryarray": list(drawn[0].days),
                "title": {"text": "days that a new sensor's weights are fitted on"},
            },
            "yaxis": {"title": {"text": label(measured.axis("MAE"))}},
        },
        (Choice("Backbone", tuple(f"{panel.title}, {panel.runs}" for panel in drawn)),),
        tuple({"xaxis.categoryarray": list(panel.days), "yaxis.autorange": True} for panel in drawn),
    )


def _traces(place: int, panel: Panel, line: Line) -> Iterator[go.Scatter]:
    fitted = line.arm == "plus"
    points = line.points if fitted else line.points * len(panel.days)
    bars = [(0.0, 0.0) if p.low is None or p.high is None else (p.high - p.mean, p.mean - p.low) for p in points]
    yield go.Scatter(
        x=[point.days for point in points] if fitted else list(panel.days),
        y=[float(f"{point.mean:.6g}") for point in points],
        error_y=(
            {
                "type": "data",
                "symmetric": False,
                "array": [float(f"{above:.6g}") for above, _ in bars],
                "arrayminus": [float(f"{below:.6g}") for _, below in bars],
            }
            if fitted and any(map(any, bars))
            else None
        ),
        meta=[place],
        name=label(line.name),
        mode="lines+markers" if fitted or len(panel.days) == 1 else "lines",
        line={"color": line.colour, "width": 1.8, "dash": _DASHES[line.arm]},
        marker={"size": 6},
        hovertemplate="%{x}<br>%{fullData.name}: MAE %{y:.5~g}<extra></extra>",
    )
