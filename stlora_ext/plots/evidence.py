"""Where per-node weights pay, three panels beside each other: static tests, a stream, new sensors."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stlora_ext.data.quantity import quantity
from stlora_ext.errors import UserError
from stlora_ext.plots.error_by_days import Panel, panels
from stlora_ext.plots.error_over_time import by_backbone, spans_weeks
from stlora_ext.plots.legend import save_with_legend_below
from stlora_ext.plots.new_sensors import draw_by_days
from stlora_ext.plots.series import interval_bar, palette
from stlora_ext.plots.stream import draw_over_time
from stlora_ext.tables.paired import paired_test
from stlora_ext.tables.pairs import Comparison, beyond_control, block_protocol, name
from stlora_ext.tables.rows import Row

_SPACING = 0.16  # between the data sets of one backbone
_COLOURS = palette(8, greys=False)
_HEIGHT, _HEIGHT_OF_BACKBONE = 4.5, 0.25  # inches
Apart = tuple[str, Sequence[Row]]  # a data set's name, and the rows of one backbone on it


def plot_evidence(datasets: Mapping[str, Sequence[Row]], stream: Apart, fresh: Apart, path: Path, data: Path) -> None:
    """Write the picture of :func:`evidence_picture` as the PNG ``path``."""
    save_with_legend_below(evidence_picture(datasets, stream, fresh, data), path)


def evidence_picture(datasets: Mapping[str, Sequence[Row]], stream: Apart, fresh: Apart, data: Path) -> Figure:
    """Draw what "+" differs from its control by, per backbone; a stream's error over time; new sensors' against days.

    Args:
        datasets: The rows of each data set of the first panel, by its name, in the order of the picture.
        stream: Of protocol ``stream``.
        fresh: Of protocol ``new-sensors``.
        data: Folder of the prepared data sets.

    Raises:
        UserError: If a panel has nothing to show, or several things that it could show.
    """
    compared = {dataset: against_control(rows) for dataset, rows in datasets.items()}
    if not any(compared.values()):
        raise UserError(
            f'--evidence: no "+" of {" or ".join(datasets)} has runs of arm control under joint or of a fitted '
            "backbone: name a data set that has some with --dataset"
        )
    lacking = next((arm for arm in ("base", "plus") if arm not in {row.arm for row in stream[1]}), None)
    if lacking is not None:
        raise UserError(
            f"--stream-of {stream[0]}: no runs of arm {lacking} are there, and the picture needs base and plus"
        )
    shown = panels(*fresh)
    if len(shown) > 1:
        titles = " and ".join(one.title for one in shown)
        raise UserError(
            f"--new-sensors-of {fresh[0]}: runs of several kinds are there, {titles}, and a picture of evidence shows "
            "one; keep them apart in folders of their own"
        )
    backbones = {_backbone(one) for pairs in compared.values() for one in pairs}
    figure = Figure(figsize=(16, max(_HEIGHT, _HEIGHT_OF_BACKBONE * len(backbones))), layout="constrained")
    static, over_time, by_days = figure.subplots(1, 3)
    _draw_static(static, {dataset: pairs for dataset, pairs in compared.items() if pairs}, data)
    _draw_stream(over_time, *stream, data)
    _draw_new_sensors(by_days, fresh[0], shown[0], data)
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
        title="Stationary:\nwhat per-node weights change",
    )
    axes.margins(y=0.08)
    axes.invert_yaxis()
    axes.grid(alpha=0.25, axis="x")
    axes.spines[["top", "right"]].set_visible(False)


def _backbone(comparison: Comparison) -> str:
    return name(comparison.plus).replace("+", "")


def _draw_stream(axes: Axes, dataset: str, rows: Sequence[Row], data: Path) -> None:
    ((backbone, rows),) = by_backbone(rows).items()
    draw_over_time(axes, rows, "MAE")
    axes.set_ylabel(f"{quantity(dataset, data).axis('MAE')} (test)")
    weekly = ", weekly means" * spans_weeks(rows[0])
    axes.set_title(f"A network that changes:\n{backbone} on {dataset}{weekly}", parse_math=False)


def _draw_new_sensors(axes: Axes, dataset: str, panel: Panel, data: Path) -> None:
    draw_by_days(axes, panel)
    axes.set_ylabel(f"{quantity(dataset, data).axis('MAE')} (test, new sensors)")
    axes.set_title(f"New sensors:\n{panel.title} on {dataset}, {panel.runs}", parse_math=False)
