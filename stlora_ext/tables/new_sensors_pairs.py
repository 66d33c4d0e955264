"""The runs of protocol ``new-sensors`` that may be compared, split by split: what each arm scores on new sensors."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean
from typing import Any

from stlora_ext.lora.settings import LATER
from stlora_ext.runs.record import FittedDays, Record
from stlora_ext.tables.over_time import OverTime
from stlora_ext.tables.pairs import LEAST_GAIN, PER_NODE, Comparison, difference
from stlora_ext.tables.rows import Row, score
from stlora_ext.tables.statistics import MeanStd, spread

NEW_SENSORS = "new-sensors"
ARMS = ("base", "control", "plus", "full")
Sensors = tuple[int, ...]  # columns that are set aside: what tells a split
_OF_SPLIT = ("split", "names")
_OF_FIT = ("days", "iterations")
_DERIVED = ("input_len", "output_len")


@dataclass(frozen=True)
class SplitRow(Row):
    """The runs of one arm under one configuration, over splits and seeds, with the scores of one number of days.

    Attributes:
        days: Days that the new sensors' weights were fitted on; None: all, or there are none to fit.
        settings: What sets it apart from other rows of its arm, such as ``sharing=vector``.
    """

    days: float | None = None
    settings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called: its arm, what sets it apart, and its days."""
        return ", ".join([self.name_without_days, *[days_text(self.days)] * (self.arm == "plus")])

    @property
    def name_without_days(self) -> str:
        """What the rows of all days are called."""
        arm = {"plus": '"+"', "base": "base (zero-shot)"}.get(self.arm, self.arm)
        return ", ".join([arm, *self.settings])

    @property
    def seeds(self) -> tuple[int | None, ...]:
        """The seeds that ran, in whichever split."""
        return tuple(dict.fromkeys(record.key.seed for record in self.records))

    @cached_property
    def splits(self) -> dict[Sensors, list[Record]]:
        """The records of each split."""
        groups: dict[Sensors, list[Record]] = {}
        for record in self.records:
            groups.setdefault(sensors_of(record), []).append(record)
        return groups

    def cell(self, horizon: int | None, metric: str) -> MeanStd:
        """Return a score, mean and deviation over splits of the means over seeds."""
        values = [[score(record, horizon, metric) for record in records] for records in self.splits.values()]
        return spread([_mean(split) for split in values])


class SplitComparison(Comparison):
    """A row of protocol ``new-sensors`` minus another one, split by split: the mean over the seeds of both."""

    @cached_property
    def pairs(self) -> list[tuple[Record, Record]]:
        """The records of one split and one seed."""
        own = {run_of(record): record for record in self.base.records}
        return [(own[run_of(record)], record) for record in self.plus.records if run_of(record) in own]

    @cached_property
    def over_time(self) -> OverTime:
        """None: splits hold other sensors."""
        return OverTime(reason="splits hold other sensors")

    def differences(self, horizon: int | None, metric: str, percent: bool = False) -> list[float | None]:
        """Return a difference per split, averaged over its seeds, or in percent of the other row's mean."""
        splits: dict[Sensors, list[tuple[Record, Record]]] = {}
        for pair in self.pairs:
            splits.setdefault(sensors_of(pair[1]), []).append(pair)
        values = []
        for pairs in splits.values():
            before, after = (_mean([score(pair[side], horizon, metric) for pair in pairs]) for side in (0, 1))
            values.append(difference(before, after, percent))
        return values


@dataclass(frozen=True)
class NewSensors:
    """Rows of one backbone and one share of new sensors.

    Attributes:
        model: The backbone.
        rows: In the order of ``ARMS``, those of "+" by rising days.
        tests: Every row of "+" minus control, and minus base.
        reached: By the ``id`` of a row of "+", how much of what ``full`` gains over the control it reaches, in percent.
        title: What stands above them: the backbone, and what sets it apart from others.
    """

    model: str
    rows: tuple[SplitRow, ...]
    tests: tuple[SplitComparison, ...]
    reached: Mapping[int, float | None]
    title: str

    @property
    def whole(self) -> bool:
        """Whether all rows are of the same splits and seeds."""
        return len({frozenset(map(run_of, row.records)) for row in self.rows}) == 1

    def of_arm(self, *arms: str) -> list[SplitRow]:
        """Return the rows of some arms."""
        return [row for row in self.rows if row.arm in arms]


def new_sensors(rows: Sequence[Row]) -> list[NewSensors]:
    """Arrange the rows of protocol ``new-sensors`` of one data set; those of other protocols are left out."""
    records = [record for row in rows if row.protocol == NEW_SENSORS for record in row.records]
    families: dict[str, dict[str, list[Record]]] = {}
    for record in records:
        families.setdefault(_model(record), {}).setdefault(_text(_family(record)), []).append(record)
    return [
        _arranged(model, group, apart)
        for model, groups in families.items()
        for group, apart in zip(groups.values(), _apart([_family(group[0]) for group in groups.values()]), strict=True)
    ]


def sensors_of(record: Record) -> Sensors:
    """Return the columns of the sensors that a run set aside."""
    return () if record.new_sensors is None else tuple(record.new_sensors.sensors)


def split_text(record: Record) -> str:
    """Return which sensors a run set aside, in words."""
    settings = record.configuration.new_sensors
    return "named sensors" if settings.get("names") else f"split {settings.get('split', 0)}"


def days_text(days: float | None) -> str:
    """Return a number of days in words; None is all days of the training rows."""
    return "all" if days is None else f"{days:g} d"


def _arranged(model: str, records: Sequence[Record], apart: Sequence[str]) -> NewSensors:
    rows: list[SplitRow] = []
    for arm in ARMS:
        groups: dict[str, list[Record]] = {}
        for record in (record for record in records if record.key.arm == arm):
            groups.setdefault(_text(_settings(record)), []).append(record)
        ordered = [groups[text] for text in sorted(groups)]
        settings = _apart([_settings(group[0]) for group in ordered])
        for group, texts in zip(ordered, settings, strict=True):
            rows += _of_days(arm, group, tuple(texts))
    tests, reached = [], {}
    for row in (row for row in rows if row.arm == "plus"):
        control, full = counterpart(row, rows, "control"), counterpart(row, rows, "full")
        base = next((other for other in rows if other.arm == "base"), None)
        tests += [
            SplitComparison(f"{row.name}, minus {other.arm}", other, row)
            for other in (control, base)
            if other is not None and SplitComparison("", other, row).pairs
        ]
        reached[id(row)] = None if control is None or full is None else share_reached(control, row, full)
    return NewSensors(model, tuple(rows), tuple(tests), reached, ", ".join([model, *apart]))


def _of_days(arm: str, records: Sequence[Record], settings: tuple[str, ...]) -> Iterator[SplitRow]:
    """Yield a row per number of days; a run that is there under two hashes, for other days or settings that its arm
    doesn't read, counts once."""
    by_days: dict[float | None, dict[tuple[Sensors, int | None], Record]] = {}
    for record in records:
        for fit in fits_of(record):
            by_days.setdefault(fit.days, {}).setdefault(run_of(record), replace(record, scores=fit.scores))
    for days in sorted(by_days, key=lambda days: math.inf if days is None else days):
        runs = by_days[days]
        scored = tuple(runs[run] for run in sorted(runs, key=lambda run: (run[0], -1 if run[1] is None else run[1])))
        first = scored[0].key
        yield SplitRow(first.model, NEW_SENSORS, arm, first.config_hash, scored, days=days, settings=settings)


def fits_of(record: Record) -> tuple[FittedDays, ...]:
    """Return what a run scored on new sensors, by days."""
    return () if record.new_sensors is None else record.new_sensors.fits


def share_reached(control: SplitRow, row: SplitRow, full: SplitRow) -> float | None:
    """Return 100 (control - row) / (control - full) of average MAEs over the runs that all three hold, splits weighing
    alike; None where ``full`` gains less than ``LEAST_GAIN``."""
    arms = [{run_of(record): record for record in one.records} for one in (control, row, full)]
    runs = [run for run in arms[0] if all(run in arm for arm in arms)]
    splits = list(dict.fromkeys(sensors for sensors, _ in runs))
    means = []
    for arm in arms:
        values = [_mean([score(arm[run], None, "MAE") for run in runs if run[0] == sensors]) for sensors in splits]
        means.append(_mean(values) if values else None)
    before, own, after = means
    if before is None or own is None or after is None or before - after < LEAST_GAIN * before:
        return None
    return 100 * (before - own) / (before - after)


def counterpart(row: SplitRow, rows: Sequence[SplitRow], arm: str) -> SplitRow | None:
    """Return the row of ``control`` or ``full`` with the settings of "+", but for per-node weights in the control."""
    free = PER_NODE if arm == "control" else ()

    def settings(one: SplitRow) -> dict[str, Any]:
        configuration = one.records[0].configuration
        adapter = {name: value for name, value in configuration.adapter.items() if name not in free}
        return {**adapter, "adapter_lr": configuration.training.get("adapter_lr")}

    return next((other for other in rows if other.arm == arm and settings(other) == settings(row)), None)


def _family(record: Record) -> dict[str, Any]:
    """Return the settings that all arms have in common: the backbone's, its training, the share of new sensors."""
    configuration = record.configuration
    own = {f"new_sensors.{name}": value for name, value in _new(record).items() if name not in (*_OF_SPLIT, *_OF_FIT)}
    if configuration.new_sensors.get("names"):
        own = {"new_sensors.names": configuration.new_sensors["names"]}
    training = {name: value for name, value in configuration.training.items() if name != "adapter_lr"}
    model = {f"model.{name}": value for name, value in configuration.model.items()}
    return {**training, **model, **own}


def _settings(record: Record) -> dict[str, Any]:
    """Return what sets rows of one arm apart."""
    arm, configuration = record.key.arm, record.configuration
    if arm == "base":
        return {}
    left = (*_DERIVED, *(PER_NODE if arm == "control" else ()))
    adapter = {name: value for name, value in {**LATER, **configuration.adapter}.items() if name not in left}
    iterations = {"iterations": _new(record).get("iterations")} if arm == "plus" else {}
    return {**adapter, **iterations, "adapter_lr": configuration.training.get("adapter_lr")}


def _new(record: Record) -> Mapping[str, Any]:
    return record.configuration.new_sensors


def _apart(settings: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return, of each of the settings, what not all have in common, such as ``sharing=vector``."""
    names = list(dict.fromkeys(name for one in settings for name in one))
    differing = [name for name in names if len({_text(one.get(name)) for one in settings}) > 1]
    return [[f"{name}={one.get(name)}" for name in differing] for one in settings]


def _model(record: Record) -> str:
    return record.key.model.removesuffix("+")


def run_of(record: Record) -> tuple[Sensors, int | None]:
    """Return what pairs runs of different arms: the sensors that were set aside, and the seed."""
    return sensors_of(record), record.key.seed


def _text(settings: Any) -> str:
    return json.dumps(settings, sort_keys=True)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None
