"""Write one HTML page about the run records: tables, curves, maps, forecasts, costs, provenance; it opens offline.

    python experiments/report.py                                        every data set that has records
    python experiments/report.py --dataset CITY --out city.html
    python experiments/report.py --dataset PEMS08 --models AGCRN AGCRN+ --nodes 12 57

The forecasts need the run's folder with its model.pt, the map and the distances the prepared data set. Where one is
missing, the page names the command that makes it.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from entry import command

from stlora_ext.cli import positive
from stlora_ext.errors import UserError, nearest
from stlora_ext.files import atomic_path
from stlora_ext.options import ModelParser, add_folders, add_horizons
from stlora_ext.threads import apply_tuning, set_threads

if TYPE_CHECKING:
    from stlora_ext.tables.groups import DataGroup


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = ModelParser(prog="experiments/report.py", description=__doc__)
    p.add_argument("--dataset", nargs="+", metavar="NAME", help="data sets (default: all that have records)")
    p.add_argument("--models", nargs="+", metavar="NAME", help="models to show (default: all)")
    p.add_argument(
        "--nodes",
        nargs="+",
        metavar="NODE",
        help="nodes whose forecasts to show, by id or by number from 0 on; goes with one data set (default: "
        "the one that gains most, the one that loses most, the one nearest to the average node)",
    )
    p.add_argument(
        "--days",
        type=positive,
        default=7,
        metavar="D",
        help="forecasts of the last D days of the test set (default: 7)",
    )
    add_horizons(p)
    p.add_argument("--compare", action="store_true", help="add published scores of the same data set to the tables")
    p.add_argument("--out", type=Path, default=Path("report.html"), metavar="HTML", help="default: report.html")
    p.add_argument("--threads", type=positive, metavar="T", help="CPU threads (default: torch's choice)")
    add_folders(p, "folder of the records and the runs")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    set_threads(args.threads)
    from stlora_ext.horizons import reported_steps
    from stlora_ext.plots.series import num_steps
    from stlora_ext.report.chapter import chapter
    from stlora_ext.report.material import material
    from stlora_ext.report.new_sensors import new_sensors_chapter
    from stlora_ext.report.page import page
    from stlora_ext.report.stream import stream_chapter
    from stlora_ext.tables.groups import data_groups, group_table, recorded_datasets
    from stlora_ext.tables.rows import of_protocol, static_rows

    if args.out.is_dir():
        raise UserError(f"--out {args.out} is a folder: name the page, such as {args.out / 'report.html'}")
    if args.out.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--out {args.out}: a page's name ends in .html")
    datasets = recorded_datasets(args.results) if args.dataset is None else list(dict.fromkeys(args.dataset))
    if args.nodes is not None and len(datasets) > 1:
        raise UserError(f"--nodes {' '.join(args.nodes)}: nodes belong to one data set, name it with --dataset")
    groups = only_models(data_groups(datasets, args.results), args.models)
    for group in groups:  # before any forecast is made
        reported_steps(num_steps(group.rows[0]), args.horizons, group.dataset)
    if args.nodes is not None and not any(static_rows(group.rows) for group in groups):
        named = " and ".join(sorted({row.protocol for group in groups for row in group.rows}, reverse=True))
        raise UserError(
            f"--nodes {' '.join(args.nodes)}: the page shows no forecasts of protocol {named}; leave it out"
        )
    chapters = []
    for number, group in enumerate(groups):
        static = static_rows(group.rows)
        print(
            f"[{number + 1}/{len(groups)}] {group.dataset}: {len(group.rows)} rows, {_records(group)} records",
            flush=True,
        )
        apart = []
        for protocol, chapter_of in (("stream", stream_chapter), ("new-sensors", new_sensors_chapter)):
            runs = replace(group, rows=of_protocol(group.rows, protocol))
            if runs.rows:
                table = group_table(runs, args.results, horizons=args.horizons)
                apart.append(chapter_of(number, runs, table, args.data))
        if static:
            chapters.append(chapter(number, material(replace(group, rows=static), args)))
        chapters += apart
    total = sum(map(_records, groups))
    text = page(
        chapters,
        f"Made of {total} run record{'s' * (total != 1)} by experiments/report.py; the same records, "
        "checkpoints and data make the same page.",
    )
    with atomic_path(args.out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"report: {args.out}, {args.out.stat().st_size / 1e6:.1f} MB")


def only_models(groups: list["DataGroup"], models: Sequence[str] | None) -> list["DataGroup"]:
    """Return the groups with the rows of ``models`` alone; groups without any go.

    Raises:
        UserError: If there is no record of one of them.
    """
    if models is None:
        return groups
    recorded = list(dict.fromkeys(row.model for group in groups for row in group.rows))
    for model in models:
        if model not in recorded:
            raise UserError(f"no records of model '{model}' here: {nearest(model, recorded)}")
    chosen = [replace(group, rows=[row for row in group.rows if row.model in models]) for group in groups]
    return [group for group in chosen if group.rows]


def _records(group: "DataGroup") -> int:
    return sum(len(row.records) for row in group.rows)


if __name__ == "__main__":
    apply_tuning()
    command(main)
