"""Error against horizon, base and "+"."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from stlora_ext.files import atomic_path
from stlora_ext.plots.series import UNITS, colours, error_band, minutes, pick, seeds_of
from stlora_ext.tables.blocks import name
from stlora_ext.tables.rows import Row


def plot_horizons(dataset: str, rows: Sequence[Row], metric: str, path: Path) -> None:
    """Draw the mean error of each row over the forecast steps, with a band of one standard deviation over seeds.

    A backbone and its "+" share a colour; the backbone is dashed.

    Args:
        dataset: Its name, for the title.
        rows: Rows of one data set.
        metric: ``MAE``, ``RMSE`` or ``MAPE``.
        path: PNG to write.
    """
    ahead = minutes(rows[0])
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for row, colour in zip(rows, colours(rows), strict=True):
        mean, low, high = error_band(row, metric)
        axes.plot(ahead, mean, color=colour, linestyle=pick(row, "--", "-", ":"), label=f"{name(row)}, {seeds_of(row)}",
                  linewidth=1.8)
        axes.fill_between(ahead, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set(xlabel="minutes ahead", ylabel=f"{UNITS[metric]} (test)", xticks=ahead[2::3],
             xlim=(ahead[0], ahead[-1]), title=f"{dataset}: error against horizon")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120, metadata={"Software": None})
