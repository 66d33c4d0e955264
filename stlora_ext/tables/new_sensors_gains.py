"""What fitting new sensors' weights gains, a line for each "+" of protocol ``new-sensors``: minus control, by days."""

import math

from stlora_ext.digits import number, with_spread
from stlora_ext.tables.alike import mark
from stlora_ext.tables.new_sensors_grids import ShownNewSensors, runs_text
from stlora_ext.tables.new_sensors_pairs import NewSensors, SplitComparison, SplitRow, counterpart, days_text
from stlora_ext.tables.pairs import Comparison
from stlora_ext.tables.score_grids import gain_text, is_clear
from stlora_ext.tables.table import Cell, Grid, headed

_ABSENT = "–"
_Fit = tuple[SplitRow, SplitComparison]  # "+" at a number of days, and its comparison with the control


def new_sensors_gains(shown: ShownNewSensors, short: bool = False) -> tuple[list[Grid], list[SplitComparison]]:
    """Return the grids, none where no "+" ran beside its control, and the comparisons that they show.

    Args:
        shown: The runs of protocol ``new-sensors``.
        short: Leave out how much of what ``full`` gains is reached.
    """
    lines = [(family, label, fits) for family in shown.families for label, fits in _lines(family)]
    days = sorted({place for _, _, fits in lines for place in fits})
    named = [days_text(None if place == math.inf else place) for place in days]
    gains, reached = [], []
    for family, label, fits in lines:
        row, test = next(iter(fits.values()))
        levels = [
            next(iter(family.of_arm("base")), None),
            counterpart(row, family.rows, "control"),
            counterpart(row, family.rows, "full"),
        ]
        gains.append(
            (
                Cell(label, "name"),
                Cell(runs_text(row), "count"),
                *(Cell(_level(level)) for level in levels),
                *(_gain(fits.get(place), shown) for place in days),
            )
        )
        reached.append((Cell(label, "name"), *(Cell(_reached(fits.get(place), family)) for place in days)))
    heads = ["Model", "Splits x seeds", "MAE of base", "MAE of control", "MAE of full"]
    heads += [f'"+" minus control, {text}' for text in named]
    grids = [Grid("new sensors", headed(heads), tuple(gains))] if gains else []
    if gains and not short:
        title = "new sensors: what is reached of what full gains over the control, %"
        grids.append(Grid(title, headed(["Model", *named]), tuple(reached)))
    return grids, [test for _, _, fits in lines for _, test in fits.values()]


def of_days(comparison: Comparison) -> dict[str, str]:
    """Return what sets a comparison of new sensors apart, for its line of numbers; nothing of another one."""
    row = comparison.plus
    if not isinstance(row, SplitRow):
        return {}
    return {"adapter": ", ".join(row.settings), "days": days_text(row.days).removesuffix(" d")}


def _lines(family: NewSensors) -> list[tuple[str, dict[float, _Fit]]]:
    """Return a label and the fits by days of each setting of "+" that has a control; all days are infinitely many."""
    lines: dict[str, dict[float, _Fit]] = {}
    for row in family.of_arm("plus"):
        label = ", ".join([family.title.replace(family.model, f"{family.model}+", 1), *row.settings])
        for test in family.tests:
            if test.plus is row and test.base.arm == "control":
                lines.setdefault(label, {})[math.inf if row.days is None else row.days] = row, test
    return list(lines.items())


def _level(row: SplitRow | None) -> str:
    """Return the error of an arm, mean and deviation over splits."""
    value = None if row is None else row.cell(None, "MAE")
    return _ABSENT if value is None or value.mean is None else with_spread(value.mean, value.std)


def _gain(fit: _Fit | None, shown: ShownNewSensors) -> Cell:
    if fit is None:
        return Cell(_ABSENT)
    _, test = fit
    return Cell(gain_text(test, "split"), bold=is_clear(shown.p_holm[id(test)]), sign=mark(test))


def _reached(fit: _Fit | None, family: NewSensors) -> str:
    percent = None if fit is None else family.reached.get(id(fit[0]))
    return _ABSENT if percent is None else number(percent, 1)
