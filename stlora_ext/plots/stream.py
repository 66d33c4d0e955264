"""A stream's error over time, a panel per backbone, a line per arm."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from stlora_ext.data.quantity import quantity
from stlora_ext.digits import number
from stlora_ext.plots.error_over_time import Course, arm_colours, arm_labels, by_backbone, course, cut_at, spans_weeks
from stlora_ext.plots.horizons import STYLES
from stlora_ext.plots.legend import save_with_legend_per_panel
from stlora_ext.plots.series import seeds_of, style
from stlora_ext.tables.rows import Row

_EDGE = 0.2  # of the axis: a note that near to its end stands beside its place
MARKERS = {"base": "x", "control": "s", "wide": "D", "plus": "o", "finetune": "^"}


def plot_stream(datasets: Mapping[str, Sequence[Row]], metric: str, path: Path, data: Path) -> None:
    """Write the picture of :func:`stream_picture` as the PNG ``path``."""
    save_with_legend_per_panel(stream_picture(datasets, metric, data), path)


def stream_picture(datasets: Mapping[str, Sequence[Row]], metric: str, data: Path) -> Figure:
    """Draw the error over time, weekly means; the labels say what an update of each arm costs.

    Where the test set is shorter than two weeks, there is a point per period. A week without targets leaves a gap.

    Args:
        datasets: The rows of protocol ``stream`` of each data set, by its name, in the order of the picture.
        metric: ``MAE`` or ``RMSE``.
        data: Folder of the prepared data sets.

    Raises:
        UserError: If a record lacks the sums of its periods, or doesn't say when its test set begins.
    """
    panels = [(name, *item) for name, rows in datasets.items() for item in by_backbone(rows).items()]
    figure = Figure(figsize=(8, 2.9 * len(panels)), layout="constrained")
    all_axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for axes, (dataset, backbone, rows) in zip(all_axes, panels, strict=True):
        weekly = spans_weeks(rows[0])
        measured = quantity(dataset, data)
        axes.set_ylabel(f"{measured.axis(metric)} (test)")
        axes.set_title(
            f"{measured.heading(dataset)}: {backbone}, {'weekly means' if weekly else 'a point per period'}",
            parse_math=False,
        )
        draw_over_time(axes, rows, metric)
    return figure


def draw_over_time(axes: Axes, rows: Sequence[Row], metric: str) -> None:
    """Draw the rows of one backbone: weekly means, a point per period where the test set is shorter than two weeks."""
    courses = [course(row, metric, spans_weeks(rows[0])) for row in rows]
    top = cut_at(rows, courses)
    for row, text, colour, line in zip(rows, arm_labels(rows), arm_colours(rows), courses, strict=True):
        axes.plot(
            line.middles.to_numpy(),
            line.values,
            color=colour,
            linestyle=style(row, STYLES),
            linewidth=1.6,
            marker=MARKERS[row.arm],
            markersize=3.5,
            markevery=None if top is None else np.flatnonzero(~(line.values > top)).tolist(),
            zorder=3 if row.arm == "plus" else 2,
            label=f"{text}, {seeds_of(row)}\n{_cost(row)}",
        )
    if top is not None:
        axes.set_ylim(0, top)
        _note_what_is_cut(axes, rows, courses, top)
    locator = AutoDateLocator(minticks=3, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _note_what_is_cut(axes: Axes, rows: Sequence[Row], courses: Sequence[Course], top: float) -> None:
    left, right = axes.get_xlim()
    for row, colour, line in zip(rows, arm_colours(rows), courses, strict=True):
        if row.arm != "base" or line.largest <= top:
            continue
        place = date2num(line.middles[int(np.nanargmax(line.values))])
        share = (place - left) / (right - left)
        axes.annotate(
            f"base up to {number(line.largest)}",
            (place, 1),
            xytext=(0, -4),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="left" if share < _EDGE else "right" if share > 1 - _EDGE else "center",
            va="top",
            color=colour,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1},
        )


def _cost(row: Row) -> str:
    """Return what an update costs: its seconds, and the bytes of the adapter or the parameters that it changes."""
    stream = row.records[0].stream
    seconds = row.seconds_per_update
    if seconds is None or stream is None:
        return "never updated"
    size = row.records[0].adapter_bytes
    what = f"{stream.parameters_updated:,} parameters" if size is None else f"adapter of {size / 1000:,.1f} kB"
    return f"{number(seconds)} s per update, {what}"
