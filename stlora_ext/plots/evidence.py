"""Where per-node weights pay, three panels beside each other: static tests, a stream, new sensors."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stlora_ext.data.quantity import quantity
from stlora_ext.errors import UserError
from stlora_ext.plots.error_by_days import Panel, panels
from stlora_ext.plots.error_over_time import by_backbone
from stlora_ext.plots.legend import save_with_legend_below
from stlora_ext.plots.new_sensors import draw_by_days
from stlora_ext.plots.series import interval_bar, palette
from stlora_ext.plots.stream import draw_over_time
from stlora_ext.tables.paired import paired_test
from stlora_ext.tables.pairs import Comparison, beyond_control, block_protocol, name
from stlora_ext.tables.rows import Row, of_protocol

_SPACING = 0.16  # between the data sets of one backbone
_COLOURS = palette(8, greys=False)
Shown = TypeVar("Shown")


def plot_evidence(datasets: Mapping[str, Sequence[Row]], path: Path, data: Path) -> None:
    """Write the picture of :func:`evidence_picture` as the PNG ``path``."""
    save_with_legend_below(evidence_picture(datasets, data), path)


def evidence_picture(datasets: Mapping[str, Sequence[Row]], data: Path) -> Figure:
    """Draw what "+" differs from its control by, per backbone; a stream's error over time; new sensors' against days.

    Args:
        datasets: The rows of each data set, by its name, in the order of the picture. Of protocols ``stream`` and
            ``new-sensors`` they are of one backbone on one data set.
        data: Folder of the prepared data sets.

    Raises:
        UserError: If a panel has nothing to show, or there are several that it could show.
    """
    compared = {dataset: against_control(rows) for dataset, rows in datasets.items()}
    if not any(compared.values()):
        raise UserError(
            f'--evidence: no "+" of {" or ".join(datasets)} has runs of arm control under joint or of a fitted '
            "backbone: name a data set that has some with --dataset"
        )
    streamed, stream_rows = _one(
        "stream", {name: by_backbone(of_protocol(rows, "stream")) for name, rows in datasets.items()}
    )
    added, panel = _one(
        "new-sensors",
        {dataset: {panel.title: panel for panel in panels(dataset, rows)} for dataset, rows in datasets.items()},
    )
    figure = Figure(figsize=(16, 6), layout="constrained")
    static, stream, new_sensors = figure.subplots(1, 3)
    _draw_static(static, {dataset: pairs for dataset, pairs in compared.items() if pairs}, data)
    _draw_stream(stream, streamed, stream_rows, data)
    _draw_new_sensors(new_sensors, added, panel, data)
    return figure


def against_control(rows: Sequence[Row]) -> list[Comparison]:
    """Return what each "+" of a static test is compared with its control in, trained jointly where it is trained.

    Raises:
        UserError: If runs of several configurations are there, of which the picture would show one.
    """
    static = [one for one in beyond_control(rows) if one.base.arm == "control" and block_protocol(one.plus) == "joint"]
    names = [_backbone(one) for one in static]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        hashes = " and ".join(one.plus.config_hash for one in static if _backbone(one) == twice)
        raise UserError(
            f"{twice}: runs of several configurations are there, {hashes}, and a picture of evidence shows one; keep "
            "them apart with --results DIR"
        )
    return static


def _one(protocol: str, by_dataset: Mapping[str, Mapping[str, Shown]]) -> tuple[str, Shown]:
    """Return the only thing that a panel can show, with its data set."""
    shown = [(dataset, backbone, one) for dataset, group in by_dataset.items() for backbone, one in group.items()]
    if not shown:
        raise UserError(
            f"--evidence: {' and '.join(by_dataset)} hold no runs of protocol {protocol}: add a data set that has some "
            "to --dataset"
        )
    if len(shown) > 1:
        named = ", ".join(f"{backbone} on {dataset}" for dataset, backbone, _ in shown)
        raise UserError(
            f"--evidence: expected runs of protocol {protocol} of one backbone on one of the data sets, not {named}: "
            "choose with --dataset and --models"
        )
    ((dataset, _, one),) = shown
    return dataset, one


def _draw_static(axes: Axes, compared: Mapping[str, Sequence[Comparison]], data: Path) -> None:
    backbones = list(dict.fromkeys(_backbone(one) for pairs in compared.values() for one in pairs))
    axes.axvline(0, color="black", linewidth=0.8)
    for index, (dataset, pairs) in enumerate(compared.items()):
        shift = _SPACING * (index - (len(compared) - 1) / 2)
        label = ", ".join(filter(None, (dataset, quantity(dataset, data).domain)))
        for pair in pairs:
            test = paired_test([value for value in pair.differences(None, "MAE", percent=True) if value is not None])
            if test.mean is None:
                continue
            axes.errorbar(
                [test.mean],
                [backbones.index(_backbone(pair)) + shift],
                xerr=interval_bar(test),
                fmt="o",
                color=_COLOURS[index % len(_COLOURS)],
                markersize=5,
                capsize=3,
                label=label if label not in axes.get_legend_handles_labels()[1] else None,
            )
    axes.set(
        yticks=range(len(backbones)),
        yticklabels=backbones,
        xlabel='MAE of "+" minus control, %; mean and 95 % interval over seeds',
        title="Stationary: what per-node weights change",
    )
    axes.margins(y=0.08)
    axes.invert_yaxis()
    axes.grid(alpha=0.25, axis="x")
    axes.spines[["top", "right"]].set_visible(False)


def _backbone(comparison: Comparison) -> str:
    return name(comparison.plus).replace("+", "")


def _draw_stream(axes: Axes, dataset: str, rows: Sequence[Row], data: Path) -> None:
    measured = quantity(dataset, data)
    draw_over_time(axes, rows, "MAE")
    axes.set_ylabel(f"{measured.axis('MAE')} (test)")
    axes.set_title(f"A network that changes: {rows[0].model.removesuffix('+')} on {dataset}", parse_math=False)


def _draw_new_sensors(axes: Axes, dataset: str, panel: Panel, data: Path) -> None:
    draw_by_days(axes, panel)
    axes.set_ylabel(f"{quantity(dataset, data).axis('MAE')} (test, new sensors)")
    axes.set_title(f"New sensors: {panel.title} on {dataset}, {panel.runs}", parse_math=False)
