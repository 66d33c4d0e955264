"""Validation error against the parameters that an adapter adds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Optional

import matplotlib
from matplotlib.figure import Figure

from stlora_ext.files import atomic_path
from stlora_ext.lora.layer import SHARINGS
from stlora_ext.tables.settings import Setting


def plot_settings(title: str, settings: Sequence[Setting], base: Optional[float], path: Path) -> None:
    """Draw one point per setting, coloured by sharing; control and wide arms are hollow.

    Args:
        title: Of the picture.
        settings: Settings of one model on one data set.
        base: Validation MAE of the backbone alone, a dashed line; None: unknown.
        path: PNG to write.
    """
    colours = dict(zip(SHARINGS, matplotlib.color_sequences["petroff10"], strict=False))
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    if base is not None:
        axes.axhline(base, color="black", linestyle="--", linewidth=1, label="backbone alone")
    shown = set()
    for setting in settings:
        arm, adapter = setting.row.arm, setting.row.records[0]["configuration"]["adapter"]
        kind = arm if arm != "plus" else adapter["sharing"]
        colour = colours["none" if arm != "plus" else adapter["sharing"]]
        axes.errorbar(setting.added, setting.val.mean, yerr=setting.val.std, fmt="os"[arm == "wide"], color=colour,
                      markerfacecolor=colour if arm == "plus" else "white", label=None if kind in shown else kind,
                      markersize=7, capsize=3)
        shown.add(kind)
    axes.set(xscale="log", xlabel="parameters that the adapter adds", ylabel="validation MAE", title=title)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120, metadata={"Software": None})
