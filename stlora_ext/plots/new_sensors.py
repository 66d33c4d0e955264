"""Error on new sensors against the days that their weights were fitted on, a panel per backbone."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stlora_ext.data.quantity import quantity
from stlora_ext.digits import number
from stlora_ext.plots.error_by_days import Panel, panels
from stlora_ext.plots.legend import save_with_legend_per_panel
from stlora_ext.tables.rows import Row

STYLES = {"base": "--", "control": ":", "plus": "-", "full": "-."}
_SHIFT = 0.06  # between lines of several settings


def plot_new_sensors(datasets: Mapping[str, Sequence[Row]], metric: str, path: Path, data: Path) -> None:
    """Write the picture of :func:`new_sensors_picture` as the PNG ``path``."""
    save_with_legend_per_panel(new_sensors_picture(datasets, metric, data), path)


def new_sensors_picture(datasets: Mapping[str, Sequence[Row]], metric: str, data: Path) -> Figure:
    """Draw the mean error over splits and seeds: of "+" against days, of the other arms as levels.

    A bar is the 95 % interval over splits of "+" minus control, about the mean of "+": where it leaves the control's
    level out, the difference is clear of 0.

    Args:
        datasets: The rows of protocol ``new-sensors`` of each data set, by its name, in the order of the picture.
        metric: ``MAE``, ``RMSE`` or ``MAPE``.
        data: Folder of the prepared data sets.

    Raises:
        UserError: If no split and seed is behind every arm, or a score is none.
    """
    drawn = [(name, panel) for name, rows in datasets.items() for panel in panels(name, rows, metric)]
    figure = Figure(figsize=(7, 3.6 * len(drawn)), layout="constrained")
    for axes, (name, panel) in zip(figure.subplots(len(drawn), 1, squeeze=False)[:, 0], drawn, strict=True):
        measured = quantity(name, data)
        axes.set_ylabel(f"{measured.axis(metric)} (test, new sensors)")
        axes.set_title(f"{measured.heading(name)}: {panel.title}, {panel.runs}", parse_math=False)
        draw_by_days(axes, panel)
    return figure


def draw_by_days(axes: Axes, panel: Panel) -> None:
    """Draw one backbone: "+" against days, the other arms as levels."""
    fitted = [line for line in panel.lines if line.arm == "plus"]
    for line in panel.lines:
        mean = line.points[0].mean
        if line.arm != "plus":
            label = f"{line.name}, {number(mean)}"
            axes.axhline(mean, color=line.colour, linestyle=STYLES[line.arm], linewidth=1.6, label=label)
            continue
        shift = _SHIFT * (fitted.index(line) - (len(fitted) - 1) / 2)  # so that bars don't cover one another
        places = [panel.days.index(point.days) + shift for point in line.points]
        ends = [
            (point.mean, point.mean) if point.low is None or point.high is None else (point.low, point.high)
            for point in line.points
        ]
        means = np.array([point.mean for point in line.points])
        bars = np.abs(np.array(ends).T - means)
        drawn = bars if bars.any() else None
        label = line.name + '\nbars: 95 % interval over splits of "+" minus control' * (drawn is not None)
        axes.errorbar(
            places, means, yerr=drawn, color=line.colour, marker="o", linewidth=1.8, capsize=4, zorder=3, label=label
        )
    axes.set(
        xticks=range(len(panel.days)), xticklabels=panel.days, xlabel="days that a new sensor's weights are fitted on"
    )
    axes.set_xlim(-0.3, len(panel.days) - 0.7)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
