"""What an adapter gains per backbone, in one line: paired differences of the average MAE and their intervals."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stlora_ext.config.experiment import PROTOCOLS
from stlora_ext.errors import UserError
from stlora_ext.tables.alike import backbone_unknown, mark, notes_on, unlike
from stlora_ext.tables.new_sensors_gains import new_sensors_gains, of_days
from stlora_ext.tables.new_sensors_grids import new_sensors_notes, shown_new_sensors
from stlora_ext.tables.notes import on_over_time
from stlora_ext.tables.paired import holm
from stlora_ext.tables.pairs import Comparison, beyond_control, blocks, corrected, name
from stlora_ext.tables.rows import Row
from stlora_ext.tables.score_grids import alone_text, gain_text, is_clear
from stlora_ext.tables.stream_gains import stream_gains
from stlora_ext.tables.stream_grids import streams
from stlora_ext.tables.table import Cell, Grid, Table, headed

FIELDS = (
    "dataset",
    "model",
    "protocol",
    "arm",
    "minus",
    "adapter",
    "days",
    "pairs",
    "delta",
    "ci_low",
    "ci_high",
    "over_time_low",
    "over_time_high",
    "no_interval_over_time",
    "p",
    "p_holm",
    "unlike",
)
_ABSENT = "–"


def gains_table(dataset: str, rows: Sequence[Row], short: bool = False, heading: str = "") -> Table:
    """Return a table of the rows of one data set, a line per backbone.

    Its columns are what ran: "+", control and wide arm minus the backbone under each protocol, then "+" minus control
    and wide arm, which is what per-node weights give.

    Args:
        dataset: Its name.
        rows: The rows.
        short: Show "+" and "+" minus control alone: trained jointly, or on a fitted backbone alone.
        heading: Which version of the data, where there are several.

    Raises:
        UserError: If nothing can be compared, or one backbone's adapter ran with several settings.
    """
    arranged, beyond, streamed = blocks(rows), beyond_control(rows), streams(rows)
    fresh = shown_new_sensors(rows)
    gains = [comparison for block in arranged for comparison in block.comparisons]
    fitted, tests_of_new = new_sensors_gains(fresh, short)
    if not gains and not streamed.tests and not fitted:
        raise UserError(
            f"--gains: no records of {dataset} hold a model with '+' and the same model without it, of the "
            "same settings and seeds; leave --gains out to see what there is"
        )
    # Holm's correction is over all comparisons of the data set, whichever are shown.
    families = [p for block in corrected(arranged) for p in block], holm([comparison.test.p for comparison in beyond])
    p_holm = {id(comparison): p for comparison, p in zip(gains + beyond, sum(families, []), strict=True)}
    grids: list[Grid] = []
    compared: list[Comparison] = []
    if gains:
        grid, compared = _by_backbone(gains, beyond, p_holm, short, "not updated" if streamed.tests else "")
        grids.append(grid)
    updated, tests = stream_gains(streamed, short)
    grids += [*updated, *fitted]
    compared += tests
    parts = ["the differences from the backbone alone", "those from the arms without per-node weights"]
    parts = parts * bool(gains and not short) + ["those of protocol stream"] * bool(streamed.tests)
    parts += ["all of protocol new-sensors"] * bool(fitted)
    over = f", over {' and over '.join(parts)}" * bool(parts)
    counted = " and ".join(filter(None, (_up_to(compared, "seed"), _up_to(tests_of_new, "split"))))
    caption = (
        f"average MAE, paired differences over {counted} (95 % interval); below 0 the "
        f"adapter helps; bold: p < 0.05 after Holm's correction{over}"
    )
    alone = [
        f"{label}, stream: no base from the same trained backbone is here, so it isn't shown."
        for family in streamed.families
        for row, label in zip(family.rows, family.labels, strict=True)
        if row.arm == "plus" and not any(test.plus is row for test in streamed.tests)
    ]
    weeks = any(not comparison.over_time.reason for comparison in compared)
    every = [*compared, *tests_of_new]
    return Table(
        dataset,
        heading,
        caption,
        tuple(grids),
        (
            *(on_over_time(compared) if compared and (weeks or not short) else ()),
            *notes_on(every),
            *alone,
            *new_sensors_notes(fresh, short=True) * bool(fitted),
        ),
        numbers=tuple(_numbers(dataset, every, {**p_holm, **streamed.p_holm, **fresh.p_holm})),
        fields=FIELDS,
    )


def _by_backbone(
    gains: Sequence[Comparison],
    beyond: Sequence[Comparison],
    p_holm: Mapping[int, float | None],
    short: bool,
    title: str,
) -> tuple[Grid, list[Comparison]]:
    """Return the grid of what isn't updated, and the comparisons that it shows."""
    shown: set[int] = set()

    def cell(comparison: Comparison | None) -> Cell:
        shown.add(id(comparison))
        return Cell(
            _ABSENT if comparison is None else gain_text(comparison),
            bold=is_clear(p_holm.get(id(comparison))),
            sign="" if comparison is None else mark(comparison),
        )

    axes = [
        (protocol, arm)
        for protocol in PROTOCOLS
        for arm in ("plus", "control", "wide")
        if any((comparison.plus.protocol, comparison.plus.arm) == (protocol, arm) for comparison in gains)
    ]
    per_node = [
        (protocol, arm)
        for protocol in PROTOCOLS
        for arm in ("control", "wide")
        if any((comparison.plus.protocol, comparison.base.arm) == (protocol, arm) for comparison in beyond)
    ]
    if short:
        axes, per_node = [("", "plus")], [("", "control")]
    heads = [
        "Model",
        "Epochs at most",
        "MAE alone",
        *(_under(_called(arm), protocol) for protocol, arm in axes),
        *(_under(f'"+" minus {arm}', protocol) for protocol, arm in per_node),
        '"+" adds, %',
    ]
    lines = []
    bases = list({id(comparison.base): comparison.base for comparison in gains}.values())
    names = [name(base) for base in bases]
    for row, label in zip(bases, names, strict=True):
        own = [comparison for comparison in gains if comparison.base is row]
        own_by_axis = {(comparison.plus.protocol, comparison.plus.arm): comparison for comparison in own}
        if len(own_by_axis) < len(own):
            raise UserError(
                f"--gains: the adapter of {label} ran with several settings; --settings {row.model}+ sets "
                "them side by side"
            )
        beyond_by_axis = {
            (comparison.plus.protocol, comparison.base.arm): comparison
            for comparison in beyond
            if any(comparison.plus is other.plus for other in own)
        }
        if short:  # each under its own protocol
            chosen = "adapt" if row.protocol == "fitted" else "joint"
            own_by_axis, beyond_by_axis = (
                {("", arm): comparison for (protocol, arm), comparison in some.items() if protocol == chosen}
                for some in (own_by_axis, beyond_by_axis)
            )
        label += f" [{row.config_hash}]" if names.count(label) > 1 else ""
        lines.append(
            (
                Cell(label, "name"),
                Cell(_epochs(own)),
                Cell(alone_text(row)),
                *(cell(own_by_axis.get(axis)) for axis in axes),
                *(cell(beyond_by_axis.get(axis)) for axis in per_node),
                Cell(_added(own)),
            )
        )
    return Grid(title, headed(heads), tuple(lines)), [one for one in (*gains, *beyond) if id(one) in shown]


def _numbers(
    dataset: str, comparisons: Sequence[Comparison], p_holm: Mapping[int, float | None]
) -> Iterator[dict[str, Any]]:
    for comparison in comparisons:
        test = comparison.test
        yield {
            "dataset": dataset,
            "model": comparison.base.model.removesuffix("+"),
            "protocol": comparison.plus.protocol,
            "arm": comparison.plus.arm,
            "minus": comparison.base.arm,
            **of_days(comparison),
            "pairs": test.count,
            "delta": test.mean,
            "ci_low": test.low,
            "ci_high": test.high,
            "over_time_low": comparison.over_time.low,
            "over_time_high": comparison.over_time.high,
            "no_interval_over_time": comparison.over_time.reason,
            "p": test.p,
            "p_holm": p_holm[id(comparison)],
            "unlike": "; ".join(unlike(comparison) + ["backbone unknown"] * backbone_unknown(comparison)),
        }


def _up_to(comparisons: Sequence[Comparison], what: str) -> str:
    count = max((comparison.test.count for comparison in comparisons), default=0)
    return f"up to {count} {what}{'s' * (count > 1)}" if comparisons else ""


def _under(head: str, protocol: str) -> str:
    return f"{head}, {protocol}" if protocol else head


def _called(arm: str) -> str:
    return '"+"' if arm == "plus" else arm


def _epochs(comparisons: Sequence[Comparison]) -> str:
    """Return the epochs of the backbone, if it is trained, and those of its adapters where they differ."""
    rows = [comparisons[0].base, *(comparison.plus for comparison in comparisons)]
    return ", ".join(
        dict.fromkeys(
            str(row.records[0].configuration.training.get("num_epochs", _ABSENT))
            for row in rows
            if row.protocol != "fitted"
        )
    )


def _added(comparisons: Sequence[Comparison]) -> str:
    percents = [each.plus.records[0].parameters.adapter_percent for each in comparisons if each.plus.arm == "plus"]
    return f"{percents[0]:.1f}" if percents and percents[0] else _ABSENT
