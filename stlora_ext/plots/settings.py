"""Validation error against the parameters that an adapter adds."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stlora_ext.data.quantity import Quantity
from stlora_ext.lora.settings import SHARINGS
from stlora_ext.plots.legend import save_with_legend
from stlora_ext.tables.settings import Settings


def plot_settings(dataset: str, groups: Sequence[Settings], path: Path, quantity: Quantity) -> None:
    """Draw one panel per group, one point per setting, coloured by sharing; control and wide arms are hollow.

    The dashed line is the backbone alone; bars are one standard deviation over seeds.

    Args:
        dataset: Its name, for the title.
        groups: Settings of one model on one data set.
        path: PNG to write.
        quantity: What the data set measures.
    """
    figure = Figure(figsize=(1 + 6 * len(groups), 4.2), layout="constrained")
    for axes, group in zip(figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True):
        _panel(axes, group, quantity)
    figure.suptitle(quantity.heading(dataset)).set_parse_math(False)
    save_with_legend(figure, path)


def _panel(axes: Axes, group: Settings, quantity: Quantity) -> None:
    colours = dict(zip(SHARINGS, matplotlib.color_sequences["petroff10"], strict=False))
    base = group.base_val
    if base is not None and base.mean is not None:
        axes.axhline(base.mean, color="black", linestyle="--", linewidth=1, label="backbone alone")
    shown = set()
    for setting in group.settings:
        arm, adapter = setting.row.arm, setting.row.records[0].configuration.adapter
        kind = arm if arm != "plus" else adapter["sharing"]
        colour = colours["none" if arm != "plus" else adapter["sharing"]]
        assert setting.val.mean is not None  # best_validation refuses a record without
        axes.errorbar(
            setting.added,
            setting.val.mean,
            yerr=setting.val.std,
            fmt="os"[arm == "wide"],
            color=colour,
            markerfacecolor=colour if arm == "plus" else "white",
            label=None if kind in shown else kind,
            markersize=7,
            capsize=3,
        )
        shown.add(kind)
    axes.set(
        xscale="log",
        xlabel="parameters that the adapter adds",
        ylabel=f"validation {quantity.axis('MAE')}",
        title=f"{group.model}, {group.protocol}",
    )
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
