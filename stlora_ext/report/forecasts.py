"""Forecasts of the test set against the truth, at chosen nodes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from stlora_ext.data.local_time import row_axis
from stlora_ext.data.prepared import Meta, load_split, missing
from stlora_ext.data.quantity import Quantity
from stlora_ext.horizons import reported_steps, step_title
from stlora_ext.plots.labels import row_labels
from stlora_ext.plots.series import palette, style
from stlora_ext.report.curves import DASHES
from stlora_ext.report.figure import Choice, Figure, label
from stlora_ext.runs.forecast import forecast_windows
from stlora_ext.runs.reopen import FinishedRun, load_model
from stlora_ext.tables.rows import Row

_BATCH = 64


@dataclass(frozen=True)
class TestSlice:
    """The last windows of the test split.

    Attributes:
        meta: The data set.
        values: Readings of the rows that they cover ``[rows, N]``.
        stamps: Times of the rows ``[rows, 2]``.
        start: Time of the first row; with its offset where the data set's rows follow absolute time.
    """

    meta: Meta
    values: np.ndarray
    stamps: np.ndarray
    start: datetime

    @property
    def windows(self) -> int:
        """How many there are."""
        return len(self.values) - self.meta.input_len - self.meta.output_len + 1

    @property
    def decimals(self) -> int:
        """Decimals that a page keeps: three, or as many as show five digits of the largest reading."""
        largest = np.abs(self.values).max(initial=0, where=~missing(self.values, self.meta.null_val))
        return max(3, 4 - math.floor(math.log10(largest))) if largest > 0 else 3


@dataclass(frozen=True)
class Forecasts:
    """What models forecast at chosen nodes.

    Attributes:
        stretch: Which windows.
        nodes: The nodes' numbers.
        why: Why each was chosen; empty: asked for.
        rows: Models whose run was opened.
        values: Their forecasts, each ``[windows, steps, nodes]``.
        absent: Models whose run can't be opened, why, and the command that brings it; empty: none is known.
        horizons: Steps to show; None: the usual ones.
    """

    stretch: TestSlice
    nodes: tuple[int, ...]
    why: tuple[str, ...]
    rows: list[Row] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)
    absent: list[tuple[str, str, str]] = field(default_factory=list)
    horizons: Sequence[int] | None = None

    @property
    def steps(self) -> tuple[int, ...]:
        """How many steps ahead the shown forecasts were made."""
        return reported_steps(self.stretch.meta.output_len, self.horizons, self.stretch.meta.name)


def last_days(folder: Path, meta: Meta, days: int) -> TestSlice:
    """Return the windows of the test split's last ``days``, or all where there are fewer."""
    values, stamps = load_split(folder, meta, "test")
    windows = min(days * meta.steps_per_day, meta.windows["test"])
    first = meta.windows["test"] - windows
    row = meta.windows["train"] + meta.windows["val"] + first
    start = row_axis(meta, [row])[0]
    return TestSlice(meta, values[first:], stamps[first:], start)


def run_forecasts(run: FinishedRun, forecasts: Forecasts, folder: Path) -> np.ndarray:
    """Return what a finished run's model forecasts ``[windows, steps, nodes]``.

    Raises:
        UserError: If its checkpoint is damaged or not the run's.
    """
    stretch, meta = forecasts.stretch, forecasts.stretch.meta
    model, stats = load_model(run, meta, folder)
    covered = meta.input_len + meta.output_len
    parts = []
    for first in range(0, stretch.windows, _BATCH):
        rows = np.arange(first, min(first + _BATCH, stretch.windows))[:, None] + np.arange(covered)
        made = forecast_windows(
            model, stats, meta, stretch.values[rows[:, : meta.input_len]], stretch.stamps[rows], run.exp.training.bf16
        )
        parts.append(made[:, [step - 1 for step in forecasts.steps]][:, :, list(forecasts.nodes)])
    return np.concatenate(parts).round(stretch.decimals)


def forecast_figure(name: str, dataset: str, forecasts: Forecasts, quantity: Quantity) -> Figure:
    """Draw truth and forecasts over time; a drop-down chooses the node, another how far ahead."""
    meta, stretch = forecasts.stretch.meta, forecasts.stretch
    truth = np.where(missing(stretch.values, meta.null_val), np.nan, stretch.values)

    def along(row: int, count: int) -> dict[str, Any]:
        """Where points from a row on lie: evenly, or as the clock shows them, which may be put forward on the way."""
        step = timedelta(minutes=meta.interval)
        if stretch.start.tzinfo is None:
            return {"x0": (stretch.start + row * step).isoformat(), "dx": meta.interval * 60_000}
        return {"x": [(stretch.start + (row + k) * step).replace(tzinfo=None).isoformat() for k in range(count)]}

    traces = []
    for place, node in enumerate(forecasts.nodes):
        traces.append(
            go.Scatter(
                **along(meta.input_len, len(truth) - meta.input_len),
                y=truth[meta.input_len :, node].round(stretch.decimals),
                meta=[place, None],
                name="truth",
                mode="lines",
                line={"color": "#8c96a3", "width": 2.5},
                hovertemplate="%{x}<br>truth %{y:.5~g}<extra></extra>",
            )
        )
        for row, text, colour, values in zip(
            forecasts.rows,
            row_labels(forecasts.rows),
            palette(len(forecasts.rows), greys=False),
            forecasts.values,
            strict=True,
        ):
            for lead, step in enumerate(forecasts.steps):
                traces.append(
                    go.Scatter(
                        **along(meta.input_len + step - 1, len(values)),
                        y=values[:, lead, place],
                        meta=[place, lead],
                        name=label(text),
                        mode="lines",
                        line={"color": colour, "width": 1.5, "dash": style(row, DASHES)},
                        hovertemplate="%{x}<br>%{fullData.name} %{y:.5~g}<extra></extra>",
                    )
                )
    ids = [
        f"{meta.sensor_ids[node]}{why and f' ({why})'}"
        for node, why in zip(forecasts.nodes, forecasts.why, strict=True)
    ]
    return Figure(
        name,
        f"{dataset}: forecasts against truth",
        f"The last {stretch.windows:,} windows of the test set ({meta.windows['test']:,} in all). Each forecast stands "
        "at the time that it is for; it was made as long before as the drop-down says, by the run of the lowest seed "
        "whose checkpoint is there. Gaps: missing readings. Drag over a stretch or in the strip below to zoom, double "
        "click to go back; a click on a name hides it.",
        traces,
        {
            "height": 500,
            "margin": {"l": 64, "r": 16, "t": 16, "b": 24},
            "dragmode": "zoom",
            "xaxis": {"type": "date", "rangeslider": {"visible": True, "thickness": 0.12}},
            "yaxis": {"title": {"text": label(quantity.reading)}, "fixedrange": False},
        },
        (
            Choice("Node", tuple(ids)),
            Choice("Made", tuple(f"{step_title(step, meta.interval)} before" for step in forecasts.steps)),
        ),
        tuple({"yaxis.autorange": True} for _ in ids),
    )
