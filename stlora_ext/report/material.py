"""What a chapter of the report is made of: rows, their data, and forecasts of the runs whose checkpoints are there."""

import argparse
from pathlib import Path

from stlora_ext.errors import UserError
from stlora_ext.folders import RESULTS
from stlora_ext.plots.labels import row_labels
from stlora_ext.report.chapter import ChapterData
from stlora_ext.report.choose import named_nodes, notable_nodes
from stlora_ext.report.forecasts import Forecasts, last_days, run_forecasts
from stlora_ext.report.nodes import node_errors
from stlora_ext.report.prepared import open_prepared
from stlora_ext.runs.reopen import FinishedRun, find_run
from stlora_ext.runs.rerun import how_to_repeat
from stlora_ext.runs.store import PUBLISHED
from stlora_ext.tables.groups import DataGroup, group_table
from stlora_ext.tables.pairs import blocks
from stlora_ext.tables.rows import Row


def material(group: DataGroup, args: argparse.Namespace) -> ChapterData:
    """Gather what the chapter of ``group`` shows.

    Args:
        group: The rows of one data set and one fingerprint.
        args: ``results``, ``data``, ``nodes``, ``days``, ``horizons`` and ``compare`` of the command line.

    Raises:
        UserError: If a node is unknown, or the prepared data set is damaged.
    """
    records = [record for row in group.rows for record in row.records]
    prepared = open_prepared(records, args.data)
    errors, without = node_errors(blocks(group.rows))
    chosen = None if args.nodes is None else named_nodes(group.dataset, args.nodes, prepared)
    forecasts = None
    if prepared.meta is not None:
        nodes = notable_nodes(errors, prepared) if chosen is None else chosen
        forecasts = Forecasts(
            last_days(args.data, prepared.meta, args.days), tuple(nodes), tuple(nodes.values()), horizons=args.horizons
        )
        for row, label in zip(group.rows, row_labels(group.rows), strict=True):
            _add(forecasts, row, label, args)
    return ChapterData(
        group.rows,
        group_table(group, args.results, args.compare, args.horizons),
        errors,
        without,
        prepared,
        forecasts,
        args.horizons,
    )


def _add(forecasts: Forecasts, row: Row, label: str, args: argparse.Namespace) -> None:
    """Add what the run of a row's lowest seed forecasts whose checkpoint is there, or why there is none."""
    try:
        run = _run(row, args.results)
        if run.checkpoint is None:
            again = how_to_repeat(run.record, forecasts.stretch.meta, _runs(args.results), args.data)
            forecasts.absent.append((label, "its checkpoint isn't there; make it with", again))
            return
        print(f"  {label}: forecasting {forecasts.stretch.windows:,} windows", flush=True)
        forecasts.values.append(run_forecasts(run, forecasts, args.data))
        forecasts.rows.append(row)
    except UserError as error:
        forecasts.absent.append((label, str(error), ""))


def _run(row: Row, results: Path) -> FinishedRun:
    runs = [find_run(record.key.record_path(results), _runs(results)) for record in row.records]
    return next((run for run in runs if run.checkpoint is not None), runs[0])


def _runs(results: Path) -> Path:
    """Return where the runs behind the records of ``results`` lie; of published ones, in the usual place."""
    return RESULTS if results.resolve() == RESULTS / PUBLISHED else results
