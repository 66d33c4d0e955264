"""The error on new sensors against the days that their weights were fitted on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stlora_ext.errors import UserError
from stlora_ext.plots.series import palette
from stlora_ext.tables.new_sensors_pairs import NewSensors, SplitComparison, SplitRow, days_text, new_sensors, run_of
from stlora_ext.tables.paired import paired_test
from stlora_ext.tables.rows import Row

_BASE, _CONTROL = palette(9)[8], palette(9)[1]  # as in pictures of streams


@dataclass(frozen=True)
class Point:
    """The error of "+" after some days.

    Attributes:
        days: The days in words.
        mean: Mean over splits of the means over seeds.
        low: Lower end of the interval: the mean, moved by what the 95 % interval of "+" minus control lies below the
            mean difference; None without one.
        high: Its upper end.
    """

    days: str
    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """A line of the picture.

    Attributes:
        arm: Its arm.
        name: What it is called.
        colour: Its colour.
        points: Of "+" one per number of days; of another arm one, which holds for all.
    """

    arm: str
    name: str
    colour: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Panel:
    """What ran of one backbone.

    Attributes:
        title: The backbone, with what sets it apart.
        runs: How many splits and seeds are behind every line.
        days: What the axis names, in its order.
        lines: The lines; those of an arm follow each other.
    """

    title: str
    runs: str
    days: tuple[str, ...]
    lines: tuple[Line, ...]


def panels(dataset: str, rows: Sequence[Row], metric: str = "MAE") -> list[Panel]:
    """Return what ran under protocol ``new-sensors``, a panel per backbone, of the splits and seeds that all arms have.

    Args:
        dataset: Name of the data set, for messages.
        rows: Its rows.
        metric: ``MAE``, ``RMSE`` or ``MAPE``.

    A number of days that fewer runs fitted is left out, and the line's name says so.

    Raises:
        UserError: If no split and seed is behind every arm, or a score is none.
    """
    return [_panel(dataset, family, metric) for family in new_sensors(rows)]


def _panel(dataset: str, family: NewSensors, metric: str) -> Panel:
    ran = {id(row): frozenset(map(run_of, row.records)) for row in family.rows}
    runs = frozenset.intersection(*(ran[id(row)] for row in family.rows if row.days is None))
    if not runs:
        raise UserError(
            f"no split and seed of {family.title} on {dataset} ran in every arm, so a picture would compare other "
            f"sensors; python experiments/table.py --dataset {dataset} names what is missing"
        )
    rows = {
        id(row): replace(row, records=tuple(record for record in row.records if run_of(record) in runs))
        for row in family.rows
    }
    controls = {id(test.plus): rows[id(test.base)] for test in family.tests if test.base.arm == "control"}
    colours = _colours(family.rows)
    lines: dict[tuple[str, tuple[str, ...]], Line] = {}
    for row in family.rows:
        line = Line(row.arm, row.name_without_days, colours[row.arm, row.settings], ())
        line = lines.setdefault((row.arm, row.settings), line)
        if not runs <= ran[id(row)]:
            name = f"{line.name}, without {days_text(row.days)} (fewer runs)"
            lines[row.arm, row.settings] = replace(line, name=name)
            continue
        point = _point(dataset, rows[id(row)], controls.get(id(row)), metric)
        lines[row.arm, row.settings] = replace(line, points=(*line.points, point))
    first = next(iter(rows.values()))
    shown = {point.days for line in lines.values() for point in line.points}
    days = sorted({row.days for row in family.of_arm("plus") if row.days is not None})
    named = tuple(text for text in map(days_text, [*days, None]) if text in shown)
    splits, seeds = len(first.splits), len(first.seeds)
    said = f"{splits} split{'s' * (splits > 1)}, {seeds} seed{'s' * (seeds > 1)}"
    return Panel(family.title, said, named, tuple(lines.values()))


def _point(dataset: str, row: SplitRow, control: SplitRow | None, metric: str) -> Point:
    mean = row.cell(None, metric).mean
    if mean is None:
        raise UserError(f"{dataset}: {row.model}, {row.arm} has no {metric}; draw another --metric")
    if control is None:
        return Point(days_text(row.days), mean)
    values = [value for value in SplitComparison("", control, row).differences(None, metric) if value is not None]
    test = paired_test(values)
    if test.low is None or test.high is None or test.mean is None:
        return Point(days_text(row.days), mean)
    return Point(days_text(row.days), mean, mean + test.low - test.mean, mean + test.high - test.mean)


def _colours(rows: Sequence[SplitRow]) -> dict[tuple[str, tuple[str, ...]], str]:
    """Return a colour per line: base and control have theirs, ``full`` that of the "+" of its settings."""
    left = [colour for colour in palette(8, greys=False) if colour not in (_BASE, _CONTROL)]
    settings = list(dict.fromkeys(row.settings for row in rows if row.arm in ("plus", "full")))
    colours = {row: left[place % len(left)] for place, row in enumerate(settings)}
    fixed = {"base": _BASE, "control": _CONTROL}
    return {(row.arm, row.settings): fixed.get(row.arm) or colours[row.settings] for row in rows}
