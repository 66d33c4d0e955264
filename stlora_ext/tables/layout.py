"""The table of one data set: its blocks, the differences in them, its notes."""

from collections.abc import Callable, Sequence

from stlora_ext.horizons import reported_steps, step_title
from stlora_ext.runs.record_check import METRICS
from stlora_ext.tables.missing import Missing, missing
from stlora_ext.tables.new_sensors_grids import (
    new_sensors_grids,
    new_sensors_notes,
    new_sensors_scores,
    shown_new_sensors,
)
from stlora_ext.tables.new_sensors_pairs import NEW_SENSORS
from stlora_ext.tables.notes import notes, short_notes
from stlora_ext.tables.paired import holm
from stlora_ext.tables.pairs import Block, Comparison, beyond_control, blocks, corrected
from stlora_ext.tables.published import PublishedScore, comparison_lines, why_not
from stlora_ext.tables.rows import Row, of_protocol
from stlora_ext.tables.score_grids import Columns, difference_grid, result_grid, score_grid
from stlora_ext.tables.stream_grids import stream_grids, stream_notes, streams
from stlora_ext.tables.table import Grid, Table
from stlora_ext.tables.tidy import scores


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
    arranged, streamed, fresh = blocks(rows), streams(rows), shown_new_sensors(rows)
    p_values = corrected(arranged)
    per_node = [] if short else beyond_control(rows)
    grids = _static_grids(
        arranged, p_values, per_node, columns, short, titled=bool(streamed.families or fresh.families)
    )
    grids += stream_grids(streamed, columns, short) + new_sensors_grids(fresh, columns, short)
    remarks = short_notes(rows, arranged) if short else notes(rows, arranged, per_node)
    remarks += stream_notes(streamed, short) + new_sensors_notes(fresh, short)
    if printed is not None:
        refusal = why_not(dataset, rows[0], printed)
        if refusal is not None:
            remarks.append(refusal)
            printed = None
        else:
            beside, more = comparison_lines(arranged, printed, columns)
            grids.append(score_grid("against published scores", columns, beside))
            remarks += more
    lacking = (
        []
        if fill is None or short
        else [(gap.title, fill(gap)) for gap in missing(arranged, streamed.families, fresh.families)]
    )
    caption = (
        f"test set, {first.data.windows['test']:,} windows, {first.data.num_nodes} nodes; mean ± standard deviation "
        f"over {'seeds' if len(of_protocol(rows, NEW_SENSORS)) < len(rows) else 'splits'}"
    )
    tested = [
        (comparison, p)
        for block, ps in zip(arranged, p_values, strict=True)
        for comparison, p in zip(block.comparisons, ps, strict=True)
    ]
    tested += zip(per_node, holm([comparison.test.p for comparison in per_node]), strict=True)
    tested += [(comparison, streamed.corrected(comparison)) for comparison in streamed.comparisons]
    others = [row for row in rows if row.protocol != NEW_SENSORS]
    numbers = [*scores(dataset, others, tested, [*ahead, *average], printed or (), streamed.shares)]
    numbers += new_sensors_scores(dataset, fresh, [*ahead, *average])
    return Table(dataset, heading, caption, tuple(grids), tuple(remarks), tuple(lacking), tuple(numbers))


def _static_grids(
    arranged: Sequence[Block],
    p_values: Sequence[Sequence[float | None]],
    per_node: Sequence[Comparison],
    columns: Columns,
    short: bool,
    titled: bool,
) -> list[Grid]:
    """Return the grids of what isn't updated: of each block scores and differences, then per-node weights."""
    compared = [*(comparison for block in arranged for comparison in block.comparisons), *per_node]
    over_time = any(not comparison.over_time.reason for comparison in compared) and not short
    grids = []
    for block, p_holm in zip(arranged, p_values, strict=True):
        title = block.title if titled or len(arranged) > 1 else ""
        lines = [line for line in block.lines if not (short and line.kind == "percent")]
        grids.append(result_grid(title, lines, columns, METRICS[:1] if short else METRICS))
        if block.comparisons and not short:
            head = f'{title}{": " * bool(title)}average MAE, "+" minus base'
            grids.append(difference_grid(head, block.comparisons, p_holm, over_time))
    if per_node:
        p_holm = holm([comparison.test.p for comparison in per_node])
        grids.append(difference_grid("average MAE, per-node weights against none", per_node, p_holm, over_time))
    return grids
