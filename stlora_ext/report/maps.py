"""Who gains and who loses: every node's difference on the network, and against its distance from the average node."""

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from stlora_ext.digits import number
from stlora_ext.report.distance import DEFINITION, rank_correlation
from stlora_ext.report.figure import Choice, Figure, label
from stlora_ext.report.nodes import NodeErrors
from stlora_ext.report.prepared import Prepared
from stlora_ext.tables.table import Cell, Column, Grid

_MOST_EDGES = 5000
_SCALE = [[0.0, "#1b5faa"], [0.25, "#7fb1dc"], [0.5, "#f1efe9"], [0.75, "#ee9b7a"], [1.0, "#b3261e"]]
_HOVER = (
    "<b>node %{text}</b><br>base MAE %{customdata[0]:.5~g}<br>plus MAE %{customdata[1]:.5~g}<br>"
    "difference %{customdata[2]:+.4~g} (%{customdata[3]:+.1f} %)"
)


def map_figure(name: str, dataset: str, errors: Sequence[NodeErrors], prepared: Prepared) -> Figure:
    """Draw each node at its place, coloured by "+" minus base."""
    network, ids = prepared.network, [label(sensor) for sensor in prepared.ids]
    edges = network.edges[:_MOST_EDGES] if len(network.edges) <= _MOST_EDGES else network.edges[:0]
    xy = network.xy
    lines = np.full((3 * len(edges), 2), np.nan)
    lines[0::3], lines[1::3] = xy[edges[:, 0]], xy[edges[:, 1]]
    traces = (
        [
            go.Scatter(
                x=lines[:, 0],
                y=lines[:, 1],
                mode="lines",
                hoverinfo="skip",
                showlegend=False,
                name="edges",
                line={"color": "#8c96a3", "width": 0.8},
                opacity=0.6,
            )
        ]
        if len(edges)
        else []
    )
    size = min(22.0, max(6.0, 130 / math.sqrt(len(xy))))
    for place, comparison in enumerate(errors):
        known = np.isfinite(comparison.difference)
        largest = float(np.abs(comparison.difference[known]).max(initial=0.0)) or 1.0
        traces.append(
            go.Scatter(
                x=xy[known, 0],
                y=xy[known, 1],
                meta=[place],
                mode="markers",
                name=label(comparison.label),
                showlegend=False,
                text=[text for text, here in zip(ids, known, strict=True) if here],
                customdata=_columns(comparison)[known],
                hovertemplate=_HOVER + "<extra></extra>",
                marker={
                    "color": comparison.difference[known],
                    "cmin": -largest,
                    "cmax": largest,
                    "colorscale": _SCALE,
                    "size": size,
                    "line": {"color": "#5a6472", "width": 1},
                    "colorbar": {
                        "title": {"text": "plus − base, MAE", "side": "top"},
                        "orientation": "h",
                        "thickness": 12,
                        "len": 0.7,
                        "y": -0.02,
                        "yanchor": "top",
                    },
                },
            )
        )
    hidden = "" if len(edges) or not len(network.edges) else f" Its {len(network.edges):,} edges aren't drawn."
    return Figure(
        name,
        f"{dataset}: difference of every node's error on the network",
        f"Each node's MAE with the adapter minus without, over all forecast steps of the test set, mean over paired "
        f"seeds. Blue: the node gains; red: it loses. {network.kind}{hidden} Point at a node for its scores; drag to "
        "zoom, double click to go back.",
        traces,
        {
            "height": 560,
            "margin": {"l": 8, "r": 8, "t": 16, "b": 72},
            "xaxis": {"visible": False},
            "yaxis": {"visible": False, "scaleanchor": "x"},
        },
        (Choice("Compare", tuple(comparison.label for comparison in errors)),),
    )


def summary_grid(errors: Sequence[NodeErrors], prepared: Prepared) -> Grid:
    """Return, per comparison, how many nodes gain, and which ones gain and lose most."""
    heads = (
        Column("Comparison", kind="name"),
        Column("Pairs", kind="count"),
        Column("Nodes that gain"),
        Column("Median difference"),
        Column("Gains most", kind="name"),
        Column("Loses most", kind="name"),
    )
    return Grid("", heads, tuple(_summary(comparison, prepared.ids) for comparison in errors))


def _summary(comparison: NodeErrors, ids: Sequence[str]) -> tuple[Cell, ...]:
    difference = comparison.difference
    known = np.isfinite(difference)
    if not known.any():
        return (Cell(comparison.label, "name"), Cell(str(comparison.pairs), "count"), *[Cell("n/a")] * 4)

    def extreme(node: int, sign: int) -> Cell:
        if difference[node] * sign <= 0:
            return Cell("none", "name")
        return Cell(f"{ids[node]} ({number(difference[node], 3, '+')})", "name")

    return (
        Cell(comparison.label, "name"),
        Cell(str(comparison.pairs), "count"),
        Cell(f"{int((difference[known] < 0).sum())} of {int(known.sum())}"),
        Cell(number(float(np.median(difference[known])), 3, "+")),
        extreme(int(np.nanargmin(difference)), -1),
        extreme(int(np.nanargmax(difference)), 1),
    )


def distance_figure(name: str, dataset: str, errors: Sequence[NodeErrors], prepared: Prepared) -> Figure:
    """Draw each node's gain, base minus "+", against its distance from the average node; the data set is there."""
    distances = prepared.distances
    assert distances is not None
    ids = [label(sensor) for sensor in prepared.ids]
    traces, changes = [], []
    for place, comparison in enumerate(errors):
        traces.append(
            go.Scatter(
                x=distances,
                y=-comparison.difference,
                meta=[place],
                mode="markers",
                name=label(comparison.label),
                showlegend=False,
                text=ids,
                customdata=_columns(comparison),
                hovertemplate=_HOVER + "<br>distance %{x:.3f}<extra></extra>",
                marker={"color": "#3f7fc4", "size": 8, "opacity": 0.75},
            )
        )
        changes.append(
            {
                "title.text": _correlation(rank_correlation(distances, -comparison.difference)),
                "xaxis.autorange": True,
                "yaxis.autorange": True,
            }
        )
    return Figure(
        name,
        f"{dataset}: gain against a node's distance from the average node",
        f"A dot per node. Gain: MAE without the adapter minus with it, mean over paired seeds; above 0 the node gains. "
        f"{DEFINITION} ρ: Spearman's rank correlation over the nodes with its two-sided p-value, each comparison by "
        "itself, not corrected; neighbours resemble each other, so p looks smaller than it is.",
        traces,
        {
            "margin": {"l": 64, "r": 16, "t": 44, "b": 56},
            "title": {"text": changes[0]["title.text"], "font": {"size": 14}, "x": 0.5, "xanchor": "center"},
            "xaxis": {"title": {"text": "distance from the average node"}, "rangemode": "tozero"},
            "yaxis": {"title": {"text": "gain, MAE"}, "zeroline": True},
        },
        (Choice("Compare", tuple(comparison.label for comparison in errors)),),
        tuple(changes),
    )


def _correlation(correlation: tuple[float, float, int] | None) -> str:
    if correlation is None:
        return "ρ n/a: fewer than three nodes, or all alike"
    rho, p, count = correlation
    return f"ρ = {rho:+.2f}, p {'&lt; 0.001' if p < 0.001 else f'= {p:.3f}'}, {count} nodes"


def _columns(comparison: NodeErrors) -> np.ndarray:
    return np.stack([comparison.base, comparison.plus, comparison.difference, comparison.percent], axis=1)
