"""What an adapter changes on several data sets, and how much of it per-node weights give."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from stlora_ext.data.catalog import CATALOG
from stlora_ext.data.quantity import quantity
from stlora_ext.errors import UserError, nearest
from stlora_ext.plots.legend import save_with_legend
from stlora_ext.plots.series import interval_bar
from stlora_ext.tables.paired import paired_test
from stlora_ext.tables.pairs import Comparison, beyond_control, blocks
from stlora_ext.tables.rows import Row

_SPACING = 0.16  # between the comparisons of one data set


def plot_gains(model: str, datasets: Mapping[str, Sequence[Row]], path: Path, data: Path) -> None:
    """Draw the paired differences of the average MAE, in percent, with mean and 95 % confidence interval.

    Per data set: each arm against the backbone alone, and plus against the arms without per-node weights, of
    runs trained jointly.

    Args:
        model: Name with "+".
        datasets: The rows of each data set, by its name, in the order of the picture.
        path: PNG to write.
        data: Folder of the prepared data sets.

    Raises:
        UserError: If a data set has no such model or pair of runs, or pairs of several configurations.
    """
    figure = Figure(figsize=(2 + 2.2 * len(datasets), 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.axhline(0, color="black", linewidth=0.8)
    by_dataset = {dataset: compared(model, rows) for dataset, rows in datasets.items()}
    labels = list(dict.fromkeys(label for comparisons in by_dataset.values() for label in comparisons))
    colours = dict(zip(labels, matplotlib.color_sequences["petroff10"], strict=False))
    for place, (dataset, comparisons) in enumerate(by_dataset.items()):
        if not comparisons:
            models = {row.model for row in datasets[dataset]}
            if model not in models:
                raise UserError(f"no records of {model} on {dataset}: {nearest(model, sorted(models))}")
            raise UserError(
                f"no runs of {model} on {dataset} that pair with another arm's: run "
                f"python experiments/sweep.py --datasets {dataset} --models {model.removesuffix('+')} "
                f"{model} --arms plus control first"
            )
        for label, comparison in comparisons.items():
            values = [value for value in comparison.differences(None, "MAE", percent=True) if value is not None]
            x = place + _SPACING * (labels.index(label) - (len(labels) - 1) / 2)
            axes.plot([x] * len(values), values, "o", color=colours[label], alpha=0.4, markersize=4)
            test = paired_test(values)
            mean = math.nan if test.mean is None else test.mean
            axes.errorbar(
                [x],
                [mean],
                yerr=interval_bar(test),
                fmt="_",
                color=colours[label],
                markersize=14,
                capsize=4,
                label=label if label not in axes.get_legend_handles_labels()[1] else None,
            )
    axes.set(
        xticks=range(len(by_dataset)),
        xticklabels=[_described(dataset, data) for dataset in by_dataset],
        ylabel="difference of the average MAE, %",
        title=f"{model}: paired differences, mean and 95 % interval",
    )
    for text in axes.get_xticklabels():
        text.set_parse_math(False)
    axes.grid(alpha=0.25, axis="y")
    axes.spines[["top", "right"]].set_visible(False)
    save_with_legend(figure, path)


def compared(model: str, rows: Sequence[Row]) -> dict[str, Comparison]:
    """Return a data set's comparisons of ``model``, trained jointly, by what they compare.

    Raises:
        UserError: If runs of several configurations are there, of which a picture would show one.
    """
    arms = [comparison for block in blocks(rows) if block.protocol == "joint" for comparison in block.comparisons]
    per_node = [comparison for comparison in beyond_control(rows) if comparison.plus.protocol == "joint"]
    by_label: dict[str, Comparison] = {}
    for comparison in (comparison for comparison in arms + per_node if comparison.plus.model == model):
        label = f"{comparison.plus.arm} against {comparison.base.arm}"
        if label in by_label:
            raise UserError(
                f"{model}: runs of several configurations are there, {by_label[label].plus.config_hash} and "
                f"{comparison.plus.config_hash}, and a picture of gains shows one; keep them apart with "
                "--results DIR"
            )
        by_label[label] = comparison
    return by_label


def _described(dataset: str, data: Path) -> str:
    entry = CATALOG.get(dataset)
    if entry is not None and entry.kind == "simulated":
        return f"{dataset}\nheterogeneity {entry.heterogeneity:g}"
    return "\n".join(filter(None, (dataset, quantity(dataset, data).domain)))
