"""Scores and their differences as grids."""

from collections.abc import Sequence

from stlora_ext.digits import number, places, with_interval, with_spread
from stlora_ext.runs.record_check import METRICS
from stlora_ext.tables.alike import marked
from stlora_ext.tables.pairs import Comparison, Line
from stlora_ext.tables.rows import Row
from stlora_ext.tables.statistics import MeanStd
from stlora_ext.tables.table import Cell, Column, Grid

Columns = Sequence[tuple[int | None, str]]
_ABSENT = "–"
_SIGNIFICANT = 0.05
OVER_SEEDS, OVER_TIME = "95 % CI over seeds", "95 % CI over time"


def score_grid(
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


def result_grid(title: str, lines: Sequence[Line], columns: Columns, metrics: Sequence[str]) -> Grid:
    """Return a grid of the scores of a block's lines; the best mean of a column is bold."""
    keys = [(horizon, metric) for horizon, _ in columns for metric in metrics]
    rounded = {key: [_rounded(line.cell(*key)) for line in lines if line.kind == "result"] for key in keys}
    # One row alone is no best one. What prints alike is equally good.
    best = {
        key: min((value for value in values if value is not None), default=None) if len(values) > 1 else None
        for key, values in rounded.items()
    }
    return score_grid(
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


def difference_grid(
    title: str,
    comparisons: Sequence[Comparison],
    p_holm: Sequence[float | None],
    over_time: bool = False,
    percent: bool = False,
) -> Grid:
    """Return a grid of the differences of the average MAE, their intervals and tests.

    Args:
        title: What stands above it.
        comparisons: A line each.
        p_holm: Their corrected p-values.
        over_time: Show the intervals over time.
        percent: Show the differences in percent too.
    """
    with_wilcoxon = any(comparison.test.wilcoxon is not None for comparison in comparisons)
    heads = [
        Column("Model", kind="name"),
        Column("Pairs", kind="count"),
        Column("Δ"),
        *[Column("Δ, %")] * percent,
        Column(OVER_SEEDS),
        Column("p"),
        Column("p (Holm)"),
        *[Column("p (Wilcoxon)")] * with_wilcoxon,
        *[Column(OVER_TIME)] * over_time,
        *[Column(f"{OVER_TIME}, %")] * (over_time and percent),
    ]
    lines = []
    for comparison, p in zip(comparisons, p_holm, strict=True):
        test, weeks = comparison.test, comparison.over_time
        digits = places(test.mean, test.low, test.high, least=3)
        texts = ["n/a" if test.mean is None else f"{test.mean:+.{digits}f}"]
        if percent:
            texts.append(number(comparison.delta(None, "MAE", percent=True).mean, sign="+"))
        texts += [_interval(test.low, test.high, digits), p_text(test.p), p_text(p)]
        texts += [p_text(test.wilcoxon)] * with_wilcoxon
        texts += [_interval(weeks.low, weeks.high, digits)] * over_time
        texts += [interval_text(weeks.percent_low, weeks.percent_high)] * (over_time and percent)
        lines.append(
            (Cell(marked(comparison.label, comparison), "name"), Cell(str(test.count), "count"), *map(Cell, texts))
        )
    return Grid(title, tuple(heads), tuple(lines))


def alone_text(row: Row) -> str:
    """Return the average MAE of a base, with its deviation over seeds."""
    value = row.cell(None, "MAE")
    if value.mean is None:
        return _ABSENT
    if value.std is None:
        return f"{number(value.mean)} (one seed)"
    return number(value.mean) if row.deterministic else with_spread(value.mean, value.std)


def gain_text(comparison: Comparison, over: str = "seed") -> str:
    """Return a difference of the average MAE with its intervals over pairs and, where it has one, over time.

    Args:
        comparison: What is compared.
        over: What makes a pair: a seed, or a split.
    """
    test, weeks = comparison.test, comparison.over_time
    if test.mean is None:
        return _ABSENT
    text = f"{number(test.mean, sign='+')} (one {over})"
    if test.low is not None and test.high is not None:
        text = with_interval(test.mean, test.low, test.high)
    return text if weeks.low is None else f"{text[:-1]}; over time {interval_text(weeks.low, weeks.high)})"


def interval_text(low: float | None, high: float | None) -> str:
    """Return an interval in words, "n/a" where there is none."""
    return _interval(low, high, places(low, high))


def _interval(low: float | None, high: float | None, digits: int) -> str:
    return "n/a" if low is None or high is None else f"{low:+.{digits}f} to {high:+.{digits}f}"


def is_clear(p: float | None) -> bool:
    """Return whether a corrected p-value is significant."""
    return p is not None and p < _SIGNIFICANT


def p_text(value: float | None) -> str:
    """Return a p-value in words, "n/a" where there is none."""
    if value is None:
        return "n/a"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
