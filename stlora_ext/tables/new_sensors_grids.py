"""Protocol ``new-sensors`` in a table: the scores of its arms by days, what "+" differs by, and what it reaches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stlora_ext.runs.record_check import METRICS
from stlora_ext.tables.alike import notes_on
from stlora_ext.tables.new_sensors_pairs import NewSensors, SplitComparison, SplitRow, days_text, new_sensors
from stlora_ext.tables.paired import holm
from stlora_ext.tables.pairs import LEAST_GAIN, Line
from stlora_ext.tables.rows import Row
from stlora_ext.tables.score_grids import OVER_SEEDS, Columns, difference_grid, result_grid
from stlora_ext.tables.table import Cell, Column, Grid
from stlora_ext.tables.tidy import scores

_ABSENT = "–"
_REACHED = "of full's gain, %"
_HEADS = {"Model": "Arm", "Seeds": "Splits x seeds", "Pairs": "Splits", OVER_SEEDS: "95 % CI over splits"}


@dataclass(frozen=True)
class ShownNewSensors:
    """The runs of protocol ``new-sensors`` on one data set.

    Attributes:
        families: The rows that may be compared.
        p_holm: Corrected p-values of their tests, one family, by the test's ``id``.
    """

    families: tuple[NewSensors, ...]
    p_holm: Mapping[int, float | None]

    @property
    def tests(self) -> list[SplitComparison]:
        """What is tested: "+" minus control, and minus base."""
        return [test for family in self.families for test in family.tests]


def shown_new_sensors(rows: Sequence[Row]) -> ShownNewSensors:
    """Return what the rows of one data set hold of protocol ``new-sensors``."""
    families = tuple(new_sensors(rows))
    tests = [test for family in families for test in family.tests]
    corrected = holm([test.test.p for test in tests])
    return ShownNewSensors(families, {id(test): p for test, p in zip(tests, corrected, strict=True)})


def new_sensors_grids(shown: ShownNewSensors, columns: Columns, short: bool = False) -> list[Grid]:
    """Return the grids of protocol ``new-sensors``, of each backbone scores and differences.

    Args:
        shown: The runs.
        columns: Horizons and their titles.
        short: Show the average MAE alone.
    """
    grids = []
    for family in shown.families:
        title = f"new sensors, {family.title}"
        lines = [Line(row.name, "result", row) for row in family.rows]
        grid = result_grid(title, lines, columns, METRICS[:1] if short else METRICS)
        counted = (
            (
                cells[0],
                Cell(runs_text(row), "count"),
                *(replace(cell, bold=cell.bold and family.whole) for cell in cells[2:]),
            )
            for cells, row in zip(grid.rows, family.rows, strict=True)
        )
        grids.append(replace(grid, columns=_renamed(grid), rows=tuple(counted)))
        if family.tests and not short:
            p_holm = [shown.p_holm[id(test)] for test in family.tests]
            grid = difference_grid(f"{title}: average MAE, differences", family.tests, p_holm, percent=True)
            rows = tuple(
                (*cells, Cell(_reached(family, test))) for cells, test in zip(grid.rows, family.tests, strict=True)
            )
            grids.append(replace(grid, columns=(*_renamed(grid), Column(_REACHED)), rows=rows))
    return grids


def new_sensors_notes(shown: ShownNewSensors, short: bool = False) -> list[str]:
    """Return what the reader of those grids has to know besides."""
    if not shown.families:
        return []
    count = max(len(row.splits) for family in shown.families for row in family.rows)
    texts = [
        "New sensors: backbone and adapter are trained without a share of the sensors, a split, and scored on these "
        'alone, so no score here compares with one of the whole network. "+", N d: the weights of each new sensor, and '
        "nothing else, are fitted on the last N days of the training rows (0: the mean of the known sensors'); control "
        "has none to fit; full is trained on all sensors. "
        + ("Mean ± standard deviation over splits" if count > 1 else "Mean over splits")
        + ", each the mean over its seeds."
    ]
    if not all(family.whole for family in shown.families):
        texts.append(
            "New sensors: an arm lacks splits or seeds that another one has, so their mean scores are of other sensors "
            "and none is bold; differences are of what both have."
        )
    if short:
        return texts
    tested = sum(test.test.p is not None for test in shown.tests)
    if shown.tests:
        texts.append(
            'New sensors, Δ: "+" minus the arm named on the same new sensors under the same seed; below 0 "+" is '
            "better. Differences are averaged over the seeds of a split first, so that a split counts once."
            + (
                f" Over splits: two-sided paired t-test and its 95 % interval; Holm's correction over the {tested} "
                f"test{'s' * (tested > 1)} of protocol new-sensors in this table."
            )
            * bool(tested)
            + " p n/a: one split, or differences without any spread, can't be tested." * (tested < len(shown.tests))
        )
        texts.append(
            f'{_REACHED[0].upper()}{_REACHED[1:]}: 100 (control - "+") / (control - full) of the mean scores; n/a '
            f"where full isn't here or gains less than {100 * LEAST_GAIN:g} % of the control's error."
        )
    return texts + notes_on(shown.tests)


def new_sensors_scores(dataset: str, shown: ShownNewSensors, columns: Columns) -> Iterator[dict[str, Any]]:
    """Yield every score in full precision, as ``tidy.scores`` does, with the days, the splits and what is reached."""
    for family in shown.families:
        for row in family.rows:
            tests = [(test, shown.p_holm[id(test)]) for test in family.tests if test.plus is row]
            for values in scores(dataset, [row], tests, columns, ()):
                yield values | _of_split(family, row)


def _of_split(family: NewSensors, row: SplitRow) -> dict[str, Any]:
    fitted = row.arm == "plus"
    reached = family.reached.get(id(row))
    return {
        "splits": len(row.splits),
        **({"days": days_text(row.days).removesuffix(" d")} if fitted else {}),
        **({} if reached is None else {"percent_of_full": reached}),
    }


def runs_text(row: SplitRow) -> str:
    """Return the splits and seeds behind a row, such as ``5 x 2``."""
    seeds = sorted({len(records) for records in row.splits.values()})
    return f"{len(row.splits)} x {'-'.join(map(str, (seeds[0], *seeds[1:][-1:])))}"


def _renamed(grid: Grid) -> tuple[Column, ...]:
    return tuple(replace(column, title=_HEADS.get(column.title, column.title)) for column in grid.columns)


def _reached(family: NewSensors, test: SplitComparison) -> str:
    if test.base.arm != "control":
        return _ABSENT
    reached = family.reached.get(id(test.plus))
    return "n/a" if reached is None else f"{reached:.1f}"
