"""Error against horizon, base and "+"."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from stlora_ext.files import atomic_path
from stlora_ext.tables.blocks import name
from stlora_ext.tables.rows import Row

_UNITS = {"MAE": "MAE", "RMSE": "RMSE", "MAPE": "MAPE, %"}


def plot_horizons(dataset: str, rows: Sequence[Row], metric: str, path: Path) -> None:
    """Draw the mean error of each row over the forecast steps, with a band of one standard deviation over seeds.

    A backbone and its "+" share a colour; the backbone is dashed.

    Args:
        dataset: Its name, for the title.
        rows: Rows of one data set.
        metric: ``MAE``, ``RMSE`` or ``MAPE``.
        path: PNG to write.
    """
    interval, steps = rows[0].records[0]["data"]["interval"], len(rows[0].records[0]["test"]["horizons"])
    minutes = [interval * step for step in range(1, steps + 1)]
    backbones = list(dict.fromkeys(row.model.removesuffix("+") for row in rows))
    colours = matplotlib.color_sequences["petroff10"]
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for row in rows:
        cells = [row.cell(step, metric) for step in range(1, steps + 1)]
        mean, std = [cell.mean for cell in cells], [cell.std or 0.0 for cell in cells]
        colour = colours[backbones.index(row.model.removesuffix("+")) % len(colours)]
        count = "deterministic" if row.deterministic else f"{len(row.seeds)} seed{'s' * (len(row.seeds) != 1)}"
        axes.plot(minutes, mean, color=colour, linestyle={"base": "--", "plus": "-"}.get(row.arm, ":"),
                  label=f"{name(row)}, {count}", linewidth=1.8)
        axes.fill_between(minutes, [m - s for m, s in zip(mean, std, strict=True)],
                          [m + s for m, s in zip(mean, std, strict=True)], color=colour, alpha=0.15, linewidth=0)
    axes.set(xlabel="minutes ahead", ylabel=f"{_UNITS[metric]} (test)", xticks=minutes[2::3],
             xlim=(minutes[0], minutes[-1]), title=f"{dataset}: error against horizon")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120, metadata={"Software": None})
