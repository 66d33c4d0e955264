"""The runs of protocol ``stream`` that may be compared: those that go on from one trained backbone in equal periods."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from stlora_ext.config.stream import ADAPTER_LR
from stlora_ext.runs.record import Record
from stlora_ext.tables.over_time import OverTime, share_over_time
from stlora_ext.tables.pairs import LEAST_GAIN, PER_NODE, Comparison, row_label
from stlora_ext.tables.rows import Row
from stlora_ext.tables.statistics import MeanStd, spread

STREAM_ARMS = ("base", "control", "wide", "plus", "finetune")
_ADAPTER_ONLY = ("node_decay", "start")  # settings that finetune doesn't read


@dataclass(frozen=True)
class Share:
    """How much of what ``finetune`` gains over the base "+" reaches.

    Attributes:
        label: What stands before it.
        plus: "+" minus base.
        finetune: "+" minus finetune.
    """

    label: str
    plus: Comparison
    finetune: Comparison

    @cached_property
    def triples(self) -> list[tuple[Record, Record, Record]]:
        """Base, "+" and finetune, for each seed under which all three ran."""
        bases = {record.key: base for base, record in self.plus.pairs}
        return [(bases[record.key], record, other) for other, record in self.finetune.pairs if record.key in bases]

    @property
    def gain(self) -> MeanStd:
        """The difference of the average MAE, finetune minus base."""
        scores = [(base.scores.average["MAE"], other.scores.average["MAE"]) for base, _, other in self.triples]
        return spread([None if old is None or new is None else new - old for old, new in scores])

    @property
    def percent(self) -> float | None:
        """100 (base - "+") / (base - finetune), scores averaged over seeds; None below ``LEAST_GAIN``."""
        scores = [[record.scores.average["MAE"] for record in column] for column in zip(*self.triples, strict=True)]
        if not scores or any(None in column for column in scores):
            return None
        base, plus, other = (sum(column) / len(column) for column in scores)
        return 100 * (base - plus) / (base - other) if base - other >= LEAST_GAIN * base else None

    @property
    def seconds_percent(self) -> float | None:
        """Seconds of an update of "+" in percent of finetune's."""
        one, other = (row.seconds_per_update for row in (self.finetune.plus, self.finetune.base))
        return 100 * one / other if one is not None and other else None

    @cached_property
    def over_time(self) -> OverTime:
        """The interval of that share over the weeks of the test."""
        if self.percent is None:
            return OverTime(reason="finetune gains next to nothing")
        return share_over_time(self.triples)


@dataclass(frozen=True)
class Family:
    """Rows that go on from one trained backbone in periods of one length.

    Attributes:
        rows: In the order of ``STREAM_ARMS``.
        labels: What each is called.
        gains: Of the arms that are updated, what they differ from the base by.
        beyond: "+" minus control, wide and finetune.
        shares: What "+" reaches of finetune's gain.
    """

    rows: tuple[Row, ...]
    labels: tuple[str, ...]
    gains: tuple[Comparison, ...]
    beyond: tuple[Comparison, ...]
    shares: tuple[Share, ...]

    def of_arm(self, *arms: str) -> list[Row]:
        """Return the rows of some arms."""
        return [row for row in self.rows if row.arm in arms]

    @property
    def tests(self) -> list[Comparison]:
        """What is tested: "+" minus every other arm."""
        return [test for plus in self.of_arm("plus") for test in (*self.gains, *self.beyond) if test.plus is plus]


def families(rows: Sequence[Row]) -> list[Family]:
    """Arrange the rows of one data set; those of other protocols are left out."""
    streamed = [row for row in rows if row.protocol == "stream"]
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in streamed:
        groups.setdefault(_started_from(row), []).append(row)
    for group in groups.values():
        if not any(row.arm == "base" for row in group):  # its seeds went on from one backbone, whose base ran once
            group += [row for row in streamed if row.arm == "base" and any(_went_on(row, one) for one in group)]
    return [_family(sorted(group, key=lambda row: STREAM_ARMS.index(row.arm)), streamed) for group in groups.values()]


def _went_on(base: Row, row: Row) -> bool:
    periods = [one.records[0].stream and one.records[0].stream.every for one in (base, row)]
    return periods[0] == periods[1] and bool(Comparison("", base, row).pairs)


def _started_from(row: Row) -> tuple[Any, ...]:
    """Return what the runs of a row have in common with those that they compare with."""
    record = row.records[0]
    key = record.adapted_key
    fixed = None if key is None or key.seed == record.key.seed else key.seed
    backbone = record.adapted_weights if key is None else (key.dataset, key.config_hash, fixed)
    return row.model.removesuffix("+"), backbone, None if record.stream is None else record.stream.every


def _family(rows: Sequence[Row], streamed: Sequence[Row]) -> Family:
    labels = {id(row): row_label(row, streamed) for row in rows}
    bases = [row for row in rows if row.arm == "base"]
    gains, beyond, shares = [], [], []
    for row in rows:
        base = max(bases, key=lambda base: len(Comparison("", base, row).pairs), default=None)
        if row.arm == "base" or base is None:
            continue
        gain = Comparison(f"{labels[id(row)]} minus base", base, row)
        if gain.pairs:
            gains.append(gain)
    for plus in (row for row in rows if row.arm == "plus"):
        others = list(_others(plus, rows))
        own = next((gain for gain in gains if gain.plus is plus), None)
        for other in others:
            several = sum(one.arm == other.arm for one in others) > 1
            mark = f" [{other.config_hash}]" if several else ""
            beyond.append(Comparison(f"{labels[id(plus)]} minus {other.arm}{mark}", other, plus))
            if other.arm == "finetune" and own is not None:
                share = Share(f"{labels[id(plus)]}{f', finetune{mark}' if several else ''}", own, beyond[-1])
                shares += [share] if share.triples else []
    return Family(tuple(rows), tuple(labels.values()), tuple(gains), tuple(beyond), tuple(shares))


def _others(plus: Row, rows: Sequence[Row]) -> Iterator[Row]:
    """Yield the rows that "+" is compared with beside the base.

    Control and wide ran with its settings. So did finetune, but for a learning rate of its own; where none did, every
    finetune is compared: what is best for all weights needn't be best for an adapter.
    """
    for arm in ("control", "wide", "finetune"):
        others = [row for row in rows if row.arm == arm and Comparison("", row, plus).pairs]
        same = [row for row in others if _settings(row, arm) == _settings(plus, arm)]
        yield from same if same or arm != "finetune" else others


def _settings(row: Row, arm: str) -> tuple[Any, ...]:
    """Return the settings that a row of an arm shares with "+" where both ran alike."""
    configuration = row.records[0].configuration
    own = (*_ADAPTER_ONLY, "lr") if arm == "finetune" else ("node_decay",)
    stream = {name: value for name, value in configuration.stream.items() if name not in (*own, "every")}
    left = {"control": PER_NODE, "finetune": tuple(configuration.adapter or ())}.get(arm, ())
    adapter = {name: value for name, value in (configuration.adapter or {}).items() if name not in left}
    return configuration.training, configuration.model, stream, adapter


def settings_apart(comparison: Comparison) -> list[str]:
    """Return in what settings of the updates "+" and finetune differ, such as ``stream.memory 14 and 7``."""
    first, second = (_with_rate(row) for row in (comparison.plus, comparison.base))
    return [
        f"stream.{name} {_text(value)} and {_text(second.get(name))}"
        for name, value in first.items()
        if name not in (*_ADAPTER_ONLY, "every") and value != second.get(name)
    ]


def _with_rate(row: Row) -> dict[str, Any]:
    """Return the settings of a row's updates with the learning rate that they had."""
    configuration = row.records[0].configuration
    settings = dict(configuration.stream)
    if settings.get("lr") is None and row.arm == "finetune" and "lr" in configuration.training:
        settings["lr"] = configuration.training["lr"] / 10
    elif settings.get("lr") is None:
        settings["lr"] = ADAPTER_LR
    return settings


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
