"""The blocks of a table: one per protocol and arm, and in it, per backbone, base, "+", and their paired difference.

Beside them, what a "+" has beyond the arms without per-node weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from stlora_ext.runs.key import ARMS, RunKey
from stlora_ext.runs.record import Record
from stlora_ext.tables.over_time import OverTime, difference_over_time
from stlora_ext.tables.paired import PairedTest, holm, paired_test
from stlora_ext.tables.rows import Row, score, static_rows
from stlora_ext.tables.statistics import MeanStd, spread

PER_NODE = ("sharing", "num_embeddings", "row_dropout")  # settings of an adapter that a control doesn't have
LEAST_GAIN = 0.01  # of the error before it: what share of a smaller one is reached is noise


def difference(before: float | None, after: float | None, percent: bool = False) -> float | None:
    """Return ``after - before``, or that in percent of ``before``; None where a score lacks, or 0 has no percent."""
    if before is None or after is None or (percent and not before):
        return None
    return (after - before) * (100 / before if percent else 1)


@dataclass(frozen=True)
class Comparison:
    """A "+" and its base.

    Attributes:
        label: What the "+" is called.
        base: The base.
        plus: The "+".
    """

    label: str
    base: Row
    plus: Row

    @cached_property
    def pairs(self) -> list[tuple[Record, Record]]:
        """The records that belong together."""
        return pairs(self.base, self.plus)

    def delta(self, horizon: int | None, metric: str, percent: bool = False) -> MeanStd:
        """Return the spread of the paired differences, plus minus base, or those in percent of base."""
        return spread(self.differences(horizon, metric, percent))

    @cached_property
    def test(self) -> PairedTest:
        """The test of the average MAE."""
        values = self.differences(None, "MAE")
        known = [value for value in values if value is not None]
        return paired_test(known) if len(known) == len(values) else PairedTest(len(values))

    @cached_property
    def over_time(self) -> OverTime:
        """The interval of the average MAE's difference over the weeks of the test."""
        return difference_over_time(self.pairs)

    def differences(self, horizon: int | None, metric: str, percent: bool = False) -> list[float | None]:
        """Return the paired differences, plus minus base, or those in percent of base; None where a score lacks."""
        return [
            difference(score(record, horizon, metric), score(other, horizon, metric), percent)
            for record, other in self.pairs
        ]


@dataclass(frozen=True)
class Line:
    """One line of a block.

    Attributes:
        label: What it begins with.
        kind: ``result``, ``delta`` (plus minus base) or ``percent`` (that in percent of base).
        source: The row, or the comparison, behind it.
    """

    label: str
    kind: Literal["result", "delta", "percent"]
    source: Row | Comparison

    @property
    def count(self) -> int:
        """Runs behind it, or pairs of runs."""
        return len(self.source.records if isinstance(self.source, Row) else self.source.pairs)

    @property
    def deterministic(self) -> bool:
        """Whether no seed changes it."""
        return isinstance(self.source, Row) and self.source.deterministic

    def cell(self, horizon: int | None, metric: str) -> MeanStd:
        """Return the score at a horizon (None: average) of a metric."""
        if isinstance(self.source, Row):
            return self.source.cell(horizon, metric)
        return self.source.delta(horizon, metric, self.kind == "percent")


@dataclass(frozen=True)
class Block:
    """Lines that may be compared with each other.

    Attributes:
        protocol: ``joint`` or ``adapt``; "+" of fitted backbones stand under ``joint``.
        arm: ``plus``, ``control`` or ``wide``; None where there are bases only.
        lines: In order.
        comparisons: Of the "+" that have a base.
    """

    protocol: str
    arm: str | None
    lines: tuple[Line, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def title(self) -> str:
        """Protocol and arm."""
        return ", ".join(filter(None, (self.protocol, self.arm)))

    @property
    def rows(self) -> list[Row]:
        """The rows behind the lines."""
        return [line.source for line in self.lines if isinstance(line.source, Row)]


def blocks(rows: Sequence[Row]) -> list[Block]:
    """Arrange the rows of one data set into blocks; without a "+" there is one, of the bases.

    Those of protocols ``stream`` and ``new-sensors`` are left out: ``stream_pairs`` and ``new_sensors_pairs`` arrange
    them.
    """
    rows = static_rows(rows)
    bases = [row for row in rows if row.arm == "base"]
    adapted = [row for row in rows if row.arm != "base"]
    if not bases and not adapted:
        return []
    axes: list[tuple[str, str | None]] = sorted(
        {(block_protocol(row), row.arm) for row in adapted}, key=lambda axis: (axis[0] != "joint", ARMS.index(axis[1]))
    )
    return [
        _block(*axis, bases, [row for row in adapted if (block_protocol(row), row.arm) == axis])
        for axis in axes or [("joint", None)]
    ]


def corrected(arranged: Sequence[Block]) -> list[list[float | None]]:
    """Return the Holm-corrected p-values of every block's comparisons; all tests of one table are one family."""
    family = iter(holm([comparison.test.p for block in arranged for comparison in block.comparisons]))
    return [[next(family) for _ in block.comparisons] for block in arranged]


def beyond_control(rows: Sequence[Row]) -> list[Comparison]:
    """Compare each "+" with its control and wide arms, which ran alike without per-node weights."""
    rows = static_rows(rows)
    adapted = [row for row in rows if row.arm == "plus"]

    def label(plus: Row) -> str:
        return _label(plus, [name(row) for row in adapted if row.protocol == plus.protocol])

    return [
        Comparison(f"{label(plus)}, {plus.protocol}, minus {arm}", other, plus)
        for plus in adapted
        for arm in ("control", "wide")
        for other in rows
        if other.arm == arm and _alike(plus, other) and pairs(other, plus)
    ]


def _alike(row: Row, other: Row) -> bool:
    same = (row.model, row.protocol) == (other.model, other.protocol)
    return same and row.records[0].configuration == other.records[0].configuration


def block_protocol(row: Row) -> str:
    """Return the protocol under which a row stands: ``joint`` for fitted backbones too, which have no other."""
    return "joint" if row.records[0].fitted_backbone else row.protocol


def pairs(base: Row, plus: Row) -> list[tuple[Record, Record]]:
    """Return the records of base and plus with the same seed.

    A deterministic base goes with every seed, an adapted backbone with what was made of it. Of protocol ``stream`` both
    went on from one trained backbone; a base, which is never updated, is the same under every seed.
    """
    if plus.protocol == "stream":
        return _stream_pairs(base, plus)
    by_seed = {record.key.seed: record for record in base.records}

    def seed_of(record: Record) -> int | None:
        if base.deterministic:
            return None
        backbone = record.adapted_key if base.arm == "base" else None
        return (backbone or record.key).seed

    return [(by_seed[seed_of(record)], record) for record in plus.records if seed_of(record) in by_seed]


def _stream_pairs(other: Row, plus: Row) -> list[tuple[Record, Record]]:
    def partner(record: Record) -> Record | None:
        alike = [one for one in other.records if _backbone(one) == _backbone(record)]
        same = [one for one in alike if one.key.seed == record.key.seed]
        return next(iter(same or (alike if other.arm == "base" else [])), None)

    return [(one, record) for record in plus.records if (one := partner(record)) is not None]


def _backbone(record: Record) -> RunKey | str | None:
    return record.adapted_key or record.adapted_weights


def base_of(plus: Row, bases: Sequence[Row]) -> Row | None:
    """Return the base trained exactly as ``plus`` was, apart from the adapter; for ``adapt``, the one adapted."""
    same = [row for row in bases if row.model == plus.model.removesuffix("+") and _comparable(row, plus)]
    return max(same, key=lambda row: len(pairs(row, plus)), default=None)


def _comparable(base: Row, plus: Row) -> bool:
    def settings(row: Row) -> dict[str, Any]:
        configuration = row.records[0].configuration
        training = {key: value for key, value in configuration.training.items() if key != "adapter_lr"}
        return {"model": configuration.model, **({} if base.protocol == "fitted" else training)}

    key = plus.records[0].adapted_key
    if key is not None:
        own = base.records[0].key
        return (key.dataset, key.config_hash) == (own.dataset, own.config_hash)
    if plus.protocol == "adapt" and base.protocol != "fitted":
        return settings(base)["model"] == settings(plus)["model"]
    return settings(base) == settings(plus)


def _block(protocol: str, arm: str | None, bases: Sequence[Row], adapted: Sequence[Row]) -> Block:
    names = [name(row) for row in (*bases, *adapted)]
    owners = [base_of(plus, bases) for plus in adapted]
    lines, comparisons = [], []
    for base in bases:
        lines.append(Line(_label(base, names), "result", base))
        for plus in (row for row, owner in zip(adapted, owners, strict=True) if owner is base):
            label = _label(plus, names)
            lines.append(Line(label, "result", plus))
            comparison = Comparison(label, base, plus)
            if comparison.pairs:
                comparisons.append(comparison)
                lines += [Line(f"Δ {label}", "delta", comparison), Line(f"Δ {label}, %", "percent", comparison)]
    lines += [
        Line(_label(plus, names), "result", plus) for plus, owner in zip(adapted, owners, strict=True) if owner is None
    ]
    return Block(protocol, arm, tuple(lines), tuple(comparisons))


def name(row: Row) -> str:
    """Return what a row is called: the model, with what sets it apart."""
    marks = [
        mark
        for mark in (
            "fitted" if row.protocol == "fitted" or row.records[0].fitted_backbone else "",
            row.arm if row.arm not in ("base", "plus") else "",
        )
        if mark
    ]
    return row.model + (f" ({', '.join(marks)})" if marks else "")


def row_label(row: Row, rows: Sequence[Row]) -> str:
    """Return what a row is called among others: its name, with its hash where they share the name."""
    return _label(row, [name(other) for other in rows])


def _label(row: Row, names: Sequence[str]) -> str:
    return name(row) + (f" [{row.config_hash}]" if names.count(name(row)) > 1 else "")
