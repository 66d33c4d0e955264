"""A table as cells, before it takes the form of Markdown, LaTeX, HTML or CSV."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stlora_ext.digits import number, places, with_spread
from stlora_ext.horizons import reported_steps, step_title
from stlora_ext.runs.record_check import METRICS
from stlora_ext.tables.alike import marked
from stlora_ext.tables.missing import Missing, missing
from stlora_ext.tables.notes import notes, short_notes
from stlora_ext.tables.paired import holm
from stlora_ext.tables.pairs import Comparison, Line, beyond_control, blocks, corrected
from stlora_ext.tables.published import PublishedScore, comparison_lines, why_not
from stlora_ext.tables.rows import Row
from stlora_ext.tables.statistics import MeanStd
from stlora_ext.tables.tidy import FIELDS, scores

Columns = Sequence[tuple[int | None, str]]


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: What it says.
        kind: ``name``, ``count`` or ``number``.
        bold: Whether it is the best of its column, or a clear difference.
        sign: What stands behind it, such as "‡"; explained in the table's notes.
    """

    text: str
    kind: Literal["name", "count", "number"] = "number"
    bold: bool = False
    sign: str = ""


@dataclass(frozen=True)
class Column:
    """The head of one column.

    Attributes:
        title: What it says.
        group: What stands over it and its neighbours of the same group; empty: nothing.
        kind: What its cells hold.
    """

    title: str
    group: str = ""
    kind: Literal["name", "count", "number"] = "number"


@dataclass(frozen=True)
class Grid:
    """Cells in rows under columns.

    Attributes:
        title: Protocol and arm, or what it is; empty: nothing.
        columns: The heads.
        rows: The cells.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        dataset: The name of its data set, or of what else it is about; empty: it has no title.
        heading: Which data, where there are several under the name; else empty.
        caption: What the numbers are, after the name.
        grids: The cells.
        notes: One sentence or list each.
        missing: What is missing and the command that fills it.
        numbers: Every number in full precision, by column.
        fields: Those columns.
    """

    dataset: str
    heading: str = ""
    caption: str = ""
    grids: tuple[Grid, ...] = ()
    notes: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    numbers: tuple[Mapping[str, Any], ...] = ()
    fields: tuple[str, ...] = FIELDS


def layout(
    dataset: str,
    rows: Sequence[Row],
    *,
    heading: str = "",
    fill: Callable[[Missing], str] | None = None,
    printed: Sequence[PublishedScore] | None = None,
    horizons: Sequence[int] | None = None,
    short: bool = False,
) -> Table:
    """Lay out the rows of one data set and one fingerprint.

    Args:
        dataset: Its name.
        rows: The rows.
        heading: Which data, where there are several under the name.
        fill: Returns the command that fills a missing cell; None: missing cells aren't listed.
        printed: Published scores of the same data set to compare with; None: no comparison.
        horizons: Steps whose scores are shown; None: the usual ones.
        short: Show the average MAE alone, without tests and missing cells.

    Raises:
        UserError: If the forecasts have no such step.
    """
    first = rows[0].records[0]
    average: list[tuple[int | None, str]] = [(None, "average")]
    steps = [] if short else reported_steps(len(first.scores.horizons), horizons, dataset)
    ahead = [(step, step_title(step, first.data.interval)) for step in steps]
    columns = [*average, *ahead]
    arranged = blocks(rows)
    p_values = corrected(arranged)
    grids = []
    for block, p_holm in zip(arranged, p_values, strict=True):
        title = block.title if len(arranged) > 1 else ""
        lines = [line for line in block.lines if not (short and line.kind == "percent")]
        grids.append(_results(title, lines, columns, METRICS[:1] if short else METRICS))
        if block.comparisons and not short:
            grids.append(_tests(f'{title}{": " * bool(title)}average MAE, "+" minus base', block.comparisons, p_holm))
    per_node = [] if short else beyond_control(rows)
    if per_node:
        grids.append(
            _tests(
                "average MAE, per-node weights against none",
                per_node,
                holm([comparison.test.p for comparison in per_node]),
            )
        )
    remarks = short_notes(rows, arranged) if short else notes(rows, arranged, per_node)
    if printed is not None:
        refusal = why_not(dataset, rows[0], printed)
        if refusal is not None:
            remarks.append(refusal)
            printed = None
        else:
            beside, more = comparison_lines(arranged, printed, columns)
            grids.append(_grid("against published scores", columns, beside))
            remarks += more
    lacking = [] if fill is None or short else [(gap.title, fill(gap)) for gap in missing(arranged)]
    caption = (
        f"test set, {first.data.windows['test']:,} windows, {first.data.num_nodes} nodes; mean ± standard deviation "
        "over seeds"
    )
    return Table(
        dataset,
        heading,
        caption,
        tuple(grids),
        tuple(remarks),
        tuple(lacking),
        tuple(scores(dataset, rows, arranged, p_values, [*ahead, *average], printed or ())),
    )


def _grid(
    title: str,
    columns: Columns,
    lines: Sequence[tuple[str, str, Sequence[tuple[str, bool]]]],
    metrics: Sequence[str] = METRICS,
) -> Grid:
    """Return a grid of a name, a count and a score for each horizon and metric."""
    heads = [Column("Model", kind="name"), Column("Seeds", kind="count")]
    heads += [Column(f"{metric}{' %' * (metric == 'MAPE')}", group) for _, group in columns for metric in metrics]
    return Grid(
        title,
        tuple(heads),
        tuple(
            (Cell(label, "name"), Cell(count, "count"), *(Cell(text, "number", bold) for text, bold in texts))
            for label, count, texts in lines
        ),
    )


def _results(title: str, lines: Sequence[Line], columns: Columns, metrics: Sequence[str]) -> Grid:
    keys = [(horizon, metric) for horizon, _ in columns for metric in metrics]
    rounded = {key: [_rounded(line.cell(*key)) for line in lines if line.kind == "result"] for key in keys}
    # One row alone is no best one. What prints alike is equally good.
    best = {
        key: min((value for value in values if value is not None), default=None) if len(values) > 1 else None
        for key, values in rounded.items()
    }
    return _grid(
        title,
        columns,
        [
            (
                line.label if isinstance(line.source, Row) else marked(line.label, line.source),
                "all" if line.deterministic else str(line.count),
                [
                    (
                        _text(line, line.cell(*key)),
                        line.kind == "result" and best[key] is not None and _rounded(line.cell(*key)) == best[key],
                    )
                    for key in keys
                ],
            )
            for line in lines
        ],
        metrics,
    )


def _rounded(value: MeanStd) -> float | None:
    return None if value.mean is None else round(value.mean, places(value.mean, value.std))


def _text(line: Line, value: MeanStd) -> str:
    if value.mean is None:
        return "n/a"
    if line.deterministic:
        return f"{number(value.mean)} ± 0.00†"
    return with_spread(value.mean, value.std, sign="+" if line.kind != "result" else "")


def _tests(title: str, comparisons: Sequence[Comparison], p_holm: Sequence[float | None]) -> Grid:
    with_wilcoxon = any(comparison.test.wilcoxon is not None for comparison in comparisons)
    heads = [
        Column("Model", kind="name"),
        Column("Pairs", kind="count"),
        Column("Δ"),
        Column("95 % CI"),
        Column("p"),
        Column("p (Holm)"),
        *[Column("p (Wilcoxon)")] * with_wilcoxon,
    ]
    return Grid(
        title,
        tuple(heads),
        tuple(_test(comparison, p, with_wilcoxon) for comparison, p in zip(comparisons, p_holm, strict=True)),
    )


def _test(comparison: Comparison, p_holm: float | None, with_wilcoxon: bool) -> tuple[Cell, ...]:
    test = comparison.test
    digits = places(test.mean, test.low, test.high, least=3)
    interval = "n/a" if test.low is None else f"{test.low:+.{digits}f} to {test.high:+.{digits}f}"
    texts = ["n/a" if test.mean is None else f"{test.mean:+.{digits}f}", interval, _p(test.p), _p(p_holm)]
    texts += [_p(test.wilcoxon)] * with_wilcoxon
    return (Cell(marked(comparison.label, comparison), "name"), Cell(str(test.count), "count"), *map(Cell, texts))


def _p(value: float | None) -> str:
    if value is None:
        return "n/a"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
