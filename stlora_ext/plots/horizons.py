"""Error against horizon, base and "+"."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from stlora_ext.data.quantity import Quantity
from stlora_ext.horizons import reported_steps
from stlora_ext.plots.labels import row_labels
from stlora_ext.plots.legend import save_with_legend
from stlora_ext.plots.series import colours, error_band, num_steps, seeds_of, style, titles
from stlora_ext.tables.rows import Row

STYLES = {
    "base": "--",
    "plus": "-",
    "control": ":",
    "wide": (0, (1, 3)),
    "finetune": (0, (9, 2)),
    "plus, adapt": "-.",
    "control, adapt": (0, (4, 1, 1, 1, 1, 1)),
    "wide, adapt": (0, (4, 1, 1, 3, 1, 3)),
}


def plot_horizons(
    dataset: str,
    rows: Sequence[Row],
    metric: str,
    path: Path,
    quantity: Quantity,
    horizons: Sequence[int] | None = None,
) -> None:
    """Write the picture of :func:`horizon_picture` as the PNG ``path``."""
    save_with_legend(horizon_picture(dataset, rows, metric, quantity, horizons), path)


def horizon_picture(
    dataset: str, rows: Sequence[Row], metric: str, quantity: Quantity, horizons: Sequence[int] | None = None
) -> Figure:
    """Draw the mean error of each row over the forecast steps, with a band of one standard deviation over seeds.

    A backbone and its "+" share a colour; the backbone is dashed, the control dotted, the wide arm sparsely dotted,
    protocol adapt dash-dotted, with more dots in these arms.

    Args:
        dataset: Its name, for the title.
        rows: Rows of one data set and one length of the forecast.
        metric: ``MAE``, ``RMSE`` or ``MAPE``.
        quantity: What the data set measures.
        horizons: Steps that the axis names; None: the usual ones.

    Raises:
        UserError: If the forecasts have no such step.
    """
    last = num_steps(rows[0])
    named = reported_steps(last, horizons, dataset)
    steps = range(1, last + 1)
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for row, text, colour in zip(rows, row_labels(rows), colours(rows), strict=True):
        mean, low, high = error_band(row, metric)
        axes.plot(
            steps,
            mean,
            color=colour,
            linestyle=style(row, STYLES),
            linewidth=1.8,
            marker="o" if last == 1 else None,
            label=f"{text}, {seeds_of(row)}",
        )
        axes.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set(xlabel="ahead", ylabel=f"{quantity.axis(metric)} (test)", xticks=named, xticklabels=titles(rows[0], named))
    axes.set_title(f"{quantity.heading(dataset)}: error against horizon", parse_math=False)
    if last > 1:
        axes.set_xlim(1, last)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
