"""The blocks of a table: one per protocol and arm, and in it, per backbone, base, "+", and their paired difference."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Optional

from stlora_ext.tables.rows import Row, score
from stlora_ext.tables.statistics import Spread, spread


@dataclass(frozen=True)
class Line:
    """One line of a table.

    Attributes:
        label: What it begins with.
        kind: ``result``, ``delta`` (plus minus base) or ``percent`` (that in percent of base).
        count: Runs behind it, or pairs of runs.
        deterministic: Whether no seed changes it.
        cell: Returns the figure at a horizon (None: average) of a metric.
    """

    label: str
    kind: Literal["result", "delta", "percent"]
    count: int
    deterministic: bool
    cell: Callable[[Optional[int], str], Spread]


@dataclass(frozen=True)
class Block:
    """Lines that may be compared with each other.

    Attributes:
        title: Protocol and arm.
        lines: In order.
        rows: The rows behind them.
    """

    title: str
    lines: tuple[Line, ...]
    rows: tuple[Row, ...]


def blocks(rows: Sequence[Row]) -> list[Block]:
    """Arrange the rows of one data set into blocks; without a "+" there is one, of the bases."""
    bases = [row for row in rows if row.arm == "base"]
    adapted = [row for row in rows if row.arm != "base"]
    axes = sorted({(_protocol(row), row.arm) for row in adapted},
                  key=lambda axis: (axis[0] != "joint", ("plus", "control", "wide").index(axis[1])))
    if not axes:
        return [_block("joint", bases, [])]
    return [_block(", ".join(axis), bases, [row for row in adapted if (_protocol(row), row.arm) == axis])
            for axis in axes]


def pairs(base: Row, plus: Row) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the records of base and plus with the same seed; a deterministic base goes with every seed."""
    by_seed = {record["key"]["seed"]: record for record in base.records}
    return [(by_seed[seed], record) for record in plus.records
            for seed in (None if base.deterministic else record["key"]["seed"],) if seed in by_seed]


def base_of(plus: Row, bases: Sequence[Row]) -> Optional[Row]:
    """Return the base trained exactly as ``plus`` was, apart from the adapter; for ``adapt``, the one adapted."""
    same = [row for row in bases if row.model == plus.model.removesuffix("+") and _comparable(row, plus)]
    return max(same, key=lambda row: len(pairs(row, plus)), default=None)


def _protocol(row: Row) -> str:
    # A fitted backbone has no joint training: its "+" stands in the joint block, marked "fitted".
    return "joint" if row.records[0].get("fitted_backbone") else row.protocol


def _comparable(base: Row, plus: Row) -> bool:
    def settings(row: Row) -> dict[str, Any]:
        configuration = row.records[0]["configuration"]
        training = {key: value for key, value in configuration["training"].items() if key != "adapter_lr"}
        return {"model": configuration["model"], **({} if base.protocol == "fitted" else training)}
    if plus.protocol == "adapt" and base.protocol != "fitted":
        return settings(base)["model"] == settings(plus)["model"]
    return settings(base) == settings(plus)


def _block(title: str, bases: Sequence[Row], adapted: Sequence[Row]) -> Block:
    lines, used = [], []
    shown = [*bases, *adapted]
    names = [name(row) for row in shown]
    for base in bases:
        lines.append(_result(base, names))
        used.append(base)
        for plus in adapted:
            if base_of(plus, bases) is base:
                lines.append(_result(plus, names))
                lines.extend(_differences(base, plus, names))
                used.append(plus)
    for plus in adapted:
        if plus not in used:
            lines.append(_result(plus, names))
            used.append(plus)
    return Block(title, tuple(lines), tuple(used))


def name(row: Row) -> str:
    """Return what a row is called: the model, with what sets it apart."""
    marks = [mark for mark in ("fitted" if row.protocol == "fitted" or row.records[0].get("fitted_backbone") else "",
                               row.arm if row.arm not in ("base", "plus") else "") if mark]
    return row.model + (f" ({', '.join(marks)})" if marks else "")


def _label(row: Row, names: Sequence[str]) -> str:
    return name(row) + (f" [{row.config_hash}]" if names.count(name(row)) > 1 else "")


def _result(row: Row, names: Sequence[str]) -> Line:
    return Line(_label(row, names), "result", len(row.records), row.deterministic, row.cell)


def _differences(base: Row, plus: Row, names: Sequence[str]) -> list[Line]:
    paired = pairs(base, plus)

    def delta(horizon: Optional[int], metric: str, percent: bool) -> Spread:
        values = []
        for record, other in paired:
            before, after = score(record, horizon, metric), score(other, horizon, metric)
            known = before is not None and after is not None
            values.append((after - before) * (100 / before if percent else 1) if known else None)
        return spread(values)

    if not paired:
        return []
    label = f"Δ {_label(plus, names)}"
    return [Line(label, "delta", len(paired), False, lambda h, m: delta(h, m, False)),
            Line(f"{label}, %", "percent", len(paired), False, lambda h, m: delta(h, m, True))]
