"""Protocol ``stream`` in a table: the scores and costs of its arms, what "+" differs from each by, what it reaches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stlora_ext.digits import places, with_spread
from stlora_ext.runs.record_check import METRICS
from stlora_ext.tables.alike import marked, notes_on
from stlora_ext.tables.notes import on_over_time
from stlora_ext.tables.paired import holm
from stlora_ext.tables.pairs import LEAST_GAIN, Comparison, Line
from stlora_ext.tables.rows import Row, equal_seeds
from stlora_ext.tables.score_grids import OVER_TIME, Columns, difference_grid, result_grid
from stlora_ext.tables.stream_pairs import Family, Share, families, settings_apart
from stlora_ext.tables.table import Cell, Column, Grid

_ABSENT = "–"
_UPDATE = (
    Column("s", "update"),
    Column("parameters", "update"),
    Column("adapter kB", "update"),
    Column("service kB", "update"),
)


@dataclass(frozen=True)
class Streams:
    """The runs of protocol ``stream`` on one data set.

    Attributes:
        families: The rows that may be compared.
        p_holm: Corrected p-values of their tests, one family, by the test's ``id``.
    """

    families: tuple[Family, ...]
    p_holm: Mapping[int, float | None]

    @property
    def rows(self) -> list[Row]:
        """All rows."""
        return [row for family in self.families for row in family.rows]

    @property
    def tests(self) -> list[Comparison]:
        """What is tested: "+" minus every other arm."""
        return [test for family in self.families for test in family.tests]

    @property
    def shares(self) -> list[Share]:
        """What "+" reaches of finetune's gain."""
        return [share for family in self.families for share in family.shares]

    @property
    def comparisons(self) -> list[Comparison]:
        """What any arm differs from the base by, and what "+" differs from the others by."""
        return [one for family in self.families for one in (*family.gains, *family.beyond)]

    def corrected(self, comparison: Comparison) -> float | None:
        """Return the corrected p-value of a comparison; None where it isn't tested."""
        return self.p_holm.get(id(comparison))


def streams(rows: Sequence[Row]) -> Streams:
    """Return what the rows of one data set hold of protocol ``stream``."""
    arranged = tuple(families(rows))
    tests = [test for family in arranged for test in family.tests]
    corrected = holm([test.test.p for test in tests])
    return Streams(arranged, {id(test): p for test, p in zip(tests, corrected, strict=True)})


def stream_grids(streamed: Streams, columns: Columns, short: bool = False) -> list[Grid]:
    """Return the grids of protocol ``stream``; none where nothing of it ran.

    Args:
        streamed: The runs.
        columns: Horizons and their titles.
        short: Show the average MAE and the costs alone.
    """
    if not streamed.families:
        return []
    labels = [label for family in streamed.families for label in family.labels]
    labelled = {id(row): (label, row) for label, row in zip(labels, streamed.rows, strict=True)}  # a base may be shared
    lines = [Line(label, "result", row) for label, row in labelled.values()]
    scores = result_grid("stream", lines, columns, METRICS[:1] if short else METRICS)
    bold = equal_seeds(streamed.rows)
    grids = [
        replace(
            scores,
            columns=(*scores.columns, *_UPDATE),
            rows=tuple(
                (*(replace(cell, bold=cell.bold and bold) for cell in cells), *_cost(row))
                for cells, (_, row) in zip(scores.rows, labelled.values(), strict=True)
            ),
        )
    ]
    if streamed.tests and not short:
        over_time = any(test.over_time.low is not None for test in streamed.tests)
        p_holm = [streamed.corrected(test) for test in streamed.tests]
        grids.append(
            difference_grid(
                "stream: average MAE, differences", streamed.tests, p_holm, over_time=over_time, percent=True
            )
        )
    if streamed.shares and not short:
        grids.append(_share_grid(streamed.shares))
    return grids


def _cost(row: Row) -> tuple[Cell, ...]:
    seconds, first = row.seconds_per_update, row.records[0]
    texts = [
        _ABSENT if seconds is None else f"{seconds:.{places(seconds)}f}",
        f"{first.stream.parameters_updated:,}" if first.stream is not None else _ABSENT,
        _kilobytes(first.adapter_bytes),
        _kilobytes(None if first.stream is None else first.stream.service_bytes),
    ]
    return tuple(map(Cell, texts))


def _kilobytes(size: int | None) -> str:
    return _ABSENT if size is None else f"{size / 1000:.1f}"


def _share_grid(shares: Sequence[Share]) -> Grid:
    over_time = any(share.over_time.low is not None for share in shares)
    heads = ["finetune minus base", '"+" reaches of it, %', *[OVER_TIME] * over_time, "update, % of finetune's s"]
    lines = []
    for share in shares:
        gain, percent, weeks = share.gain, share.percent, share.over_time
        texts = [
            "n/a" if gain.mean is None else with_spread(gain.mean, gain.std, 3, sign="+"),
            _percent(percent),
            *["n/a" if weeks.low is None else f"{_percent(weeks.low)} to {_percent(weeks.high)}"] * over_time,
            _percent(share.seconds_percent),
        ]
        count = str(len(share.triples))
        lines.append((Cell(marked(share.label, share.finetune), "name"), Cell(count, "count"), *map(Cell, texts)))
    return Grid(
        'stream: what "+" reaches of finetune\'s gain',
        (Column("Model", kind="name"), Column("Seeds", kind="count"), *map(Column, heads)),
        tuple(lines),
    )


def _percent(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.1f}"


def stream_notes(streamed: Streams, short: bool = False) -> list[str]:
    """Return what the reader of those grids has to know besides."""
    if not streamed.families:
        return []
    texts = [
        'Stream: a trained model goes on through the test. base is never updated; control, wide and "+" update an '
        "adapter on the frozen backbone, finetune every weight of it. s: median seconds of an update; service: the "
        "file that the next update goes on from; measured as the runs ran, beside whatever else the machine did."
    ]
    if not equal_seeds(streamed.rows):
        texts.append("Stream: rows ran under different seeds, so no score is bold; differences are over those of both.")
    if short:
        return texts
    tested = sum(test.test.p is not None for test in streamed.tests)
    if streamed.tests:
        texts.append(
            'Stream, Δ: "+" minus the arm named, from the same trained backbone under the same seed; below 0 "+" is '
            "better."
            + (
                f" Over seeds: two-sided paired t-test and its 95 % interval; Holm's correction over the {tested} "
                f"test{'s' * (tested > 1)} of protocol stream in this table."
            )
            * bool(tested)
            + " p n/a: one pair, or differences without any spread, can't be tested." * (tested < len(streamed.tests))
        )
        texts += [f"Stream. {text}" for text in on_over_time(streamed.tests)]
    if streamed.shares:
        texts.append(
            'Reached: 100 (base - "+") / (base - finetune) of scores averaged over seeds; n/a where finetune gains '
            f"less than {100 * LEAST_GAIN:g} % of the base's error, over time where it gains nothing in any draw."
        )
    apart = {
        f"{test.label}: {', '.join(settings)}"
        for test in streamed.tests
        if test.base.arm == "finetune" and (settings := settings_apart(test))
    }
    texts += [f"{text}." for text in sorted(apart)]
    compared = {id(row) for family in streamed.families for gain in family.gains for row in (gain.base, gain.plus)}
    texts += [
        f"{label}, stream: no base from the same trained backbone is here, so there is no Δ."
        for family in streamed.families
        for row, label in zip(family.rows, family.labels, strict=True)
        if row.arm != "base" and id(row) not in compared
    ]
    return texts + notes_on(streamed.tests)
