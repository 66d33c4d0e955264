"""All models on one data set, a line each, the best first; a run that failed is a line too."""

from collections.abc import Sequence
from typing import Any

from stlora_ext.digits import number, with_interval, with_spread
from stlora_ext.errors import UserError
from stlora_ext.runs.key import RunKey
from stlora_ext.tables.alike import mark, notes_on
from stlora_ext.tables.pairs import Comparison, beyond_control, blocks, name
from stlora_ext.tables.rows import APART, Row, static_rows
from stlora_ext.tables.table import Cell, Column, Grid, Table

FIELDS = (
    "dataset",
    "model",
    "protocol",
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
    gains = [each for block in blocks(rows) for each in block.comparisons if each.plus.arm == "plus"]
    beyond = [each for each in beyond_control(rows) if each.base.arm == "control"]
    entries = []
    for row in (row for row in rows if row.arm == "base"):
        pairs: list[Comparison | None] = [each for each in gains if each.base is row]
        for gain in pairs or [None]:
            control = next((each for each in beyond if gain is not None and each.plus is gain.plus), None)
            entries.append((row, gain, control))
    entries.sort(key=lambda entry: _mae(entry[0] if entry[1] is None else entry[1].plus))
    lines = [_line(*entry) for entry in entries]
    empty = (Cell(_ABSENT),) * (len(_HEADS) - 2)
    for key, _ in failures:
        lines.append(
            (Cell(_run(key), "name"), Cell("all" if key.seed is None else "1", "count"), Cell("failed"), *empty)
        )
    compared = [each for _, *pair in entries for each in pair if each is not None]
    notes = [*left_out, *notes_on(compared), *(f"{_run(key)} failed: {reason}" for key, reason in failures)]
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
        numbers=(*(_figures(dataset, *entry) for entry in entries), *(_failed(dataset, *each) for each in failures)),
        fields=FIELDS,
    )


def _mae(row: Row) -> float:
    value = row.cell(None, "MAE").mean
    return float("inf") if value is None else value


def _line(base: Row, gain: Comparison | None, control: Comparison | None) -> tuple[Cell, ...]:
    plus = None if gain is None else gain.plus
    label = name(base) if plus is None or plus.protocol == "joint" else f"{name(base)}, {plus.protocol}"
    return (
        Cell(label, "name"),
        Cell("all" if base.deterministic and plus is None else str(len((plus or base).records)), "count"),
        Cell(_score(base)),
        Cell(_ABSENT if plus is None else _score(plus)),
        _difference(gain),
        _difference(control),
        Cell(_shown(_seconds(base))),
        Cell(_ABSENT if plus is None else _shown(_seconds(plus))),
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


def _run(key: RunKey) -> str:
    seed = "" if key.seed is None else f" seed {key.seed}"
    return f"{key.model} {key.protocol} {key.arm}{seed}"


def _figures(dataset: str, base: Row, gain: Comparison | None, control: Comparison | None) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "dataset": dataset,
        "model": base.model,
        "protocol": base.protocol if gain is None else gain.plus.protocol,
        "seeds": len((base if gain is None else gain.plus).records),
        "mae": base.cell(None, "MAE").mean,
        "plus_mae": None if gain is None else gain.plus.cell(None, "MAE").mean,
        "seconds_per_epoch": _seconds(base),
        "plus_seconds_per_epoch": None if gain is None else _seconds(gain.plus),
    }
    for field, comparison in (("minus_base", gain), ("minus_control", control)):
        if comparison is not None:
            test = comparison.test
            figures |= {field: test.mean, f"{field}_low": test.low, f"{field}_high": test.high}
    return figures


def _failed(dataset: str, key: RunKey, reason: str) -> dict[str, Any]:
    return {"dataset": dataset, "model": key.model, "protocol": key.protocol, "failed": f"{_run(key)}: {reason}"}
