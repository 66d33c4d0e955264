"""What pictures of rows have in common: colours, line styles, and the error of each step."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import matplotlib
from matplotlib.colors import rgb_to_hsv, to_hex, to_rgb

from stlora_ext.horizons import step_title
from stlora_ext.tables.paired import PairedTest
from stlora_ext.tables.rows import Row

_GREY = 0.2  # saturation
Style = TypeVar("Style")


def colours(rows: Sequence[Row]) -> list[str]:
    """Return a colour per row; a backbone and its "+" share one."""
    backbones = list(dict.fromkeys(row.model.removesuffix("+") for row in rows))
    sequence = palette(len(backbones))
    return [sequence[backbones.index(row.model.removesuffix("+"))] for row in rows]


def palette(count: int, greys: bool = True) -> list[str]:
    """Return colours that are told apart, the first ten of them; eight without the two ``greys``."""
    sequence = [
        colour
        for colour in map(to_hex, matplotlib.color_sequences["petroff10"])
        if greys or rgb_to_hsv(to_rgb(colour))[1] > _GREY
    ]
    return [sequence[place % len(sequence)] for place in range(count)]


def style(row: Row, styles: Mapping[str, Style]) -> Style:
    """Return the style of a row: that of its arm, or ``ARM, adapt`` where it adapts a trained backbone; else the
    control's."""
    adapts = row.protocol == "adapt" and row.arm != "base" and not row.records[0].fitted_backbone
    return styles.get(f"{row.arm}{', adapt' * adapts}", styles["control"])


def interval_bar(test: PairedTest) -> list[list[float]] | None:
    """Return how far the ends of a 95 % interval are from its mean, as matplotlib's ``yerr``; None without one."""
    if test.mean is None or test.low is None or test.high is None:
        return None
    return [[test.mean - test.low], [test.high - test.mean]]


def titles(row: Row, steps: Sequence[int]) -> list[str]:
    """Return how far ahead forecast steps are, in words."""
    return [step_title(step, row.records[0].data.interval) for step in steps]


def num_steps(row: Row) -> int:
    """Return the steps of the forecast."""
    return len(row.records[0].scores.horizons)


def error_band(row: Row, metric: str) -> tuple[list[float], list[float], list[float]]:
    """Return the mean error of each step, and that minus and plus one standard deviation over seeds."""
    cells = [row.cell(step, metric) for step in range(1, num_steps(row) + 1)]
    means = [float("nan") if cell.mean is None else cell.mean for cell in cells]
    stds = [cell.std or 0.0 for cell in cells]
    return (means, [m - s for m, s in zip(means, stds, strict=True)], [m + s for m, s in zip(means, stds, strict=True)])


def seeds_of(row: Row) -> str:
    """Return how many seeds are behind a row."""
    return "deterministic" if row.deterministic else f"{len(row.seeds)} seed{'s' * (len(row.seeds) != 1)}"
