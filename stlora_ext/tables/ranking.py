"""All models on one data set, a line each, the best first; a run that failed is a line too."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from stlora_ext.digits import number, with_interval, with_spread
from stlora_ext.errors import UserError
from stlora_ext.runs.key import RunKey
from stlora_ext.tables.alike import mark, notes_on
from stlora_ext.tables.groups import DataGroup
from stlora_ext.tables.pairs import Comparison, base_of, beyond_control, row_label
from stlora_ext.tables.rows import APART, Row, static_rows
from stlora_ext.tables.table import Cell, Column, Grid, Table

FIELDS = (
    "dataset",
    "model",
    "protocol",
    "arm",
    "config_hash",
    "plus_config_hash",
    "control_config_hash",
    "seeds",
    "mae",
    "plus_mae",
    "minus_base",
    "minus_base_low",
    "minus_base_high",
    "minus_control",
    "minus_control_low",
    "minus_control_high",
    "seconds_per_epoch",
    "plus_seconds_per_epoch",
    "failed",
)
_ABSENT = "–"
_HEADS = ("Seeds", "MAE alone", 'MAE with "+"', '"+" minus base', '"+" minus control', "s / epoch", '"+" s / epoch')


class _Entry(NamedTuple):
    """What a line shows; a "+" whose base failed or lacks is a line too, and so is a control without its "+"."""

    base: Row | None
    adapted: Row | None
    gain: Comparison | None = None
    beyond: Comparison | None = None

    @property
    def row(self) -> Row:
        """What is ranked: the model with its adapter where it ran."""
        row = self.adapted or self.base
        assert row is not None
        return row


def ranking_tables(dataset: str, groups: Sequence[DataGroup], failures: Sequence[tuple[RunKey, str]]) -> list[Table]:
    """Return a table per version of the data; failures, which don't tell their version, stand once.

    Args:
        dataset: Its name.
        groups: Its records; none where all runs failed.
        failures: Runs that failed, and why.

    Raises:
        UserError: If all runs are of protocol ``stream`` or ``new-sensors``.
    """
    if len(groups) < 2:
        rows, heading = (groups[0].rows, groups[0].heading) if groups else ([], "")
        return [ranking_table(dataset, rows, failures, heading)]
    ranked = [group for group in groups if static_rows(group.rows)]
    tables = [ranking_table(dataset, group.rows, heading=group.heading) for group in ranked]
    if failures or not tables:
        rows = [] if tables else [row for group in groups for row in group.rows]
        tables.append(ranking_table(dataset, rows, failures, "Runs that failed, on whichever version of the data"))
    return tables


def ranking_table(
    dataset: str, rows: Sequence[Row], failures: Sequence[tuple[RunKey, str]] = (), heading: str = ""
) -> Table:
    """Return the table: average MAE of every model alone and with "+", what "+" gains, and seconds of an epoch.

    Args:
        dataset: Its name.
        rows: The rows of one version of its data.
        failures: Runs that failed, and why.
        heading: Which version of the data, where there are several.

    Raises:
        UserError: If all runs are of protocol ``stream`` or ``new-sensors``.
    """
    ranked = static_rows(rows)
    others = " and ".join(sorted({row.protocol for row in rows} & set(APART), reverse=True))
    if not ranked and not failures:
        raise UserError(
            f"--ranked: all records of {dataset} are of protocol {others}, which isn't ranked; leave --ranked out"
        )
    left_out = [f"Runs of protocol {others} aren't ranked."] * bool(others)
    rows = ranked
    entries = sorted(_entries(rows), key=lambda entry: _mae(entry.row))
    lines = [_line(label, entry) for label, entry in zip(_labels(entries), entries, strict=True)]
    empty = (Cell(_ABSENT),) * (len(_HEADS) - 2)
    failed = _runs([key for key, _ in failures])
    for label, (key, _) in zip(failed, failures, strict=True):
        lines.append((Cell(label, "name"), Cell("all" if key.seed is None else "1", "count"), Cell("failed"), *empty))
    compared = [each for entry in entries for each in (entry.gain, entry.beyond) if each is not None]
    notes = [
        *left_out,
        *notes_on(compared),
        *(f"{label} failed: {reason}" for label, (_, reason) in zip(failed, failures, strict=True)),
    ]
    return Table(
        dataset,
        heading,
        "average MAE, mean ± standard deviation over seeds; paired differences with their 95 % interval, below 0 the "
        'adapter helps; seconds of the fastest epoch; sorted by the MAE with "+"',
        (
            Grid(
                "",
                (Column("Model", kind="name"), Column(_HEADS[0], kind="count"), *map(Column, _HEADS[1:])),
                tuple(lines),
            ),
        ),
        tuple(notes),
        numbers=(
            *(_figures(dataset, entry) for entry in entries),
            *(_failed(dataset, label, *each) for label, each in zip(failed, failures, strict=True)),
        ),
        fields=FIELDS,
    )


def _mae(row: Row) -> float:
    value = row.cell(None, "MAE").mean
    return float("inf") if value is None else value


def _entries(rows: Sequence[Row]) -> list[_Entry]:
    bases = [row for row in rows if row.arm == "base"]
    beyond = {id(each.plus): each for each in beyond_control(rows) if each.base.arm == "control"}
    entries = []
    for plus in (row for row in rows if row.arm == "plus"):
        base = base_of(plus, bases)
        gain = None if base is None else Comparison("", base, plus)
        entries.append(_Entry(base, plus, gain if gain is not None and gain.pairs else None, beyond.get(id(plus))))
    shown = {id(row) for entry in entries for row in (entry.base, entry.beyond and entry.beyond.base)}
    entries += [_Entry(row, None) for row in bases if id(row) not in shown]
    entries += [_Entry(None, row) for row in rows if row.arm == "control" and id(row) not in shown]
    return entries


def _labels(entries: Sequence[_Entry]) -> list[str]:
    """Return what the lines are called, no two alike: with their hashes where they share a name."""
    first = {id(row): row for row in (entry.base or entry.row for entry in entries)}
    labels = []
    for entry in entries:
        label = row_label(entry.base or entry.row, list(first.values()))
        adapts = entry.adapted is not None and entry.adapted.protocol != "joint"
        labels.append(f"{label}, {entry.row.protocol}" if adapts else label)
    return [
        label + (f', "+" [{entry.row.config_hash}]' if labels.count(label) > 1 else "")
        for label, entry in zip(labels, entries, strict=True)
    ]


def _line(label: str, entry: _Entry) -> tuple[Cell, ...]:
    base, adapted = entry.base, entry.adapted
    return (
        Cell(label, "name"),
        Cell("all" if entry.row.deterministic else str(len(entry.row.records)), "count"),
        Cell(_ABSENT if base is None else _score(base)),
        Cell(_ABSENT if adapted is None else _score(adapted)),
        _difference(entry.gain),
        _difference(entry.beyond),
        Cell(_ABSENT if base is None else _shown(_seconds(base))),
        Cell(_ABSENT if adapted is None else _shown(_seconds(adapted))),
    )


def _score(row: Row) -> str:
    value = row.cell(None, "MAE")
    if value.mean is None:
        return _ABSENT
    return number(value.mean) if row.deterministic or value.std is None else with_spread(value.mean, value.std)


def _difference(comparison: Comparison | None) -> Cell:
    test = None if comparison is None else comparison.test
    if comparison is None or test is None or test.mean is None:
        return Cell(_ABSENT)
    if test.low is None or test.high is None:
        return Cell(f"{number(test.mean, sign='+')} (one seed)", sign=mark(comparison))
    return Cell(with_interval(test.mean, test.low, test.high), sign=mark(comparison))


def _seconds(row: Row) -> float | None:
    """Return the seconds of the fastest epoch of the runs, which other work slowed least; None of a fitted model."""
    if row.protocol == "fitted":
        return None
    epochs = (epoch for record in row.records for epoch in record.training.history)
    return min((epoch["seconds"] for epoch in epochs if "seconds" in epoch), default=None)


def _shown(seconds: float | None) -> str:
    return _ABSENT if seconds is None else f"{seconds:.1f}"


def _runs(keys: Sequence[RunKey]) -> list[str]:
    """Return what runs are called, with their hashes where they share a name."""
    names = [
        f"{key.model} {key.protocol} {key.arm}" + ("" if key.seed is None else f" seed {key.seed}") for key in keys
    ]
    return [
        name + (f" [{key.config_hash}]" if names.count(name) > 1 else "") for name, key in zip(names, keys, strict=True)
    ]


def _figures(dataset: str, entry: _Entry) -> dict[str, Any]:
    base, adapted = entry.base, entry.adapted
    figures: dict[str, Any] = {
        "dataset": dataset,
        "model": entry.row.model.removesuffix("+"),
        "protocol": entry.row.protocol,
        "arm": entry.row.arm,
        "config_hash": None if base is None else base.config_hash,
        "plus_config_hash": None if adapted is None else adapted.config_hash,
        "control_config_hash": None if entry.beyond is None else entry.beyond.base.config_hash,
        "seeds": len(entry.row.records),
        "mae": None if base is None else base.cell(None, "MAE").mean,
        "plus_mae": None if adapted is None else adapted.cell(None, "MAE").mean,
        "seconds_per_epoch": None if base is None else _seconds(base),
        "plus_seconds_per_epoch": None if adapted is None else _seconds(adapted),
    }
    for field, comparison in (("minus_base", entry.gain), ("minus_control", entry.beyond)):
        if comparison is not None:
            test = comparison.test
            figures |= {field: test.mean, f"{field}_low": test.low, f"{field}_high": test.high}
    return figures


def _failed(dataset: str, label: str, key: RunKey, reason: str) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "model": key.model,
        "protocol": key.protocol,
        "arm": key.arm,
        "config_hash" if key.arm == "base" else "plus_config_hash": key.config_hash,
        "failed": f"{label}: {reason}",
    }
