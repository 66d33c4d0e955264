"""Print what an adapter adds to every trained backbone on the benchmark data sets; no data are needed.

python experiments/parameters.py
python experiments/parameters.py --datasets PEMS08 --models AGCRN LSTM --modules
python experiments/parameters.py --format csv > parameters.csv
"""

import argparse
import csv
import sys
import tempfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from entry import command

from stlora_ext.data.catalog import catalog_entry
from stlora_ext.errors import UserError, nearest
from stlora_ext.options import ModelParser
from stlora_ext.spreadsheet import safe_cell
from stlora_ext.threads import apply_tuning

BENCHMARKS = ("PEMS03", "PEMS04", "PEMS07", "PEMS08", "METR-LA", "PEMS-BAY")
COLUMNS = ("data set", "nodes", "model", "backbone", "adapter", "trainable", "adapter %", "above 1 %")


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = ModelParser(prog="experiments/parameters.py", description=__doc__)
    p.add_argument("--datasets", nargs="+", default=BENCHMARKS, metavar="NAME", help="data sets (default: benchmarks)")
    p.add_argument("--models", nargs="+", default=[], metavar="GLOB", help="trained backbones (default: all of ours)")
    p.add_argument("--format", choices=("markdown", "csv"), default="markdown", help="form of the table")
    p.add_argument("--modules", action="store_true", help="print the counts of every module too")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    names = _trained(args.models)
    reports = list(_reports([catalog_entry(name) for name in args.datasets], names))
    if args.format == "csv":
        _print_csv(reports, args.modules)
    else:
        _print_markdown(reports, args.modules)


def _trained(patterns: Sequence[str]) -> list[str]:
    """Return the trained backbones whose name matches a pattern.

    Raises:
        UserError: If a pattern matches none.
    """
    from stlora_ext.config.backbones import BACKBONES
    from stlora_ext.config.registry import registrations

    trained = [name for name, backbone in registrations().items() if not backbone.fitted]
    for pattern in patterns:
        if pattern in registrations() and pattern not in trained:
            raise UserError(
                f"--models {pattern}: it is fitted and has no trained parameters to compare with; expected "
                f"one of: {', '.join(trained)}"
            )
        if not any(fnmatchcase(name, pattern) for name in trained):
            raise UserError(f"--models {pattern}: no trained backbone has this name; {nearest(pattern, trained)}")
    patterns = patterns or list(BACKBONES)
    return [name for name in trained if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _reports(entries: Sequence[Any], names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the parameter report of every model with adapter, built as its config says, on a ring for a graph."""
    from stlora_ext.config.config_file import config_or_default
    from stlora_ext.lora.parameters import parameter_report
    from stlora_ext.runs.build import build_model
    from stlora_ext.runs.without_data import ring_meta

    with tempfile.TemporaryDirectory() as folder:
        for entry in entries:
            meta = ring_meta(Path(folder), entry.name, entry.num_nodes, entry.interval, entry.null_val)
            for name in names:
                _, exp = config_or_default(entry.name, f"{name}+")
                yield {
                    "data set": entry.name,
                    "nodes": entry.num_nodes,
                    "model": exp.model,
                    **parameter_report(build_model(exp, meta, Path(folder))),
                }


def _above(report: dict[str, Any]) -> bool:
    from stlora_ext.lora.parameters import CLAIM_PERCENT

    return report["adapter_percent"] > CLAIM_PERCENT


def _row(report: dict[str, Any], number: str) -> list[str]:
    counts = [format(report[name], number) for name in ("backbone", "adapter", "trainable")]
    return [
        report["data set"],
        str(report["nodes"]),
        report["model"],
        *counts,
        f"{report['adapter_percent']:.2f}",
        "yes" if _above(report) else "no",
    ]


def _print_markdown(reports: list[dict[str, Any]], modules: bool) -> None:
    from stlora_ext.lora.parameters import module_lines

    print(f"| {' | '.join(COLUMNS)} |")
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: | --- |")
    for report in reports:
        print(f"| {' | '.join(_row(report, ','))} |")
    print(f"\n{_verdict(reports)}")
    if modules:
        for report in reports:
            print(f"\n{report['data set']} / {report['model']}")
            print(*(f"  {line}" for line in module_lines(report["modules"])), sep="\n")


def _verdict(reports: list[dict[str, Any]]) -> str:
    """Say where the adapter adds more than the paper's claim."""
    parts = []
    for model in dict.fromkeys(report["model"] for report in reports):
        every = [report for report in reports if report["model"] == model]
        above = sorted((report["adapter_percent"], report["data set"]) for report in every if _above(report))
        if above:
            where = above[0][1] if len(every) == 1 else f"{len(above)} of {len(every)} data sets"
            to = f" to {above[-1][0]:.1f}" if len(above) > 1 else ""
            parts.append(f"{model} on {where} ({above[0][0]:.1f}{to} %)")
    count = sum(_above(report) for report in reports)
    return (
        "The paper says that the adapter adds about 1 % of parameters. With the default settings it adds more than "
        f"1 % in {count} of {len(reports)} cases{': ' * bool(parts)}{', '.join(parts)}."
    )


def _print_csv(reports: list[dict[str, Any]], modules: bool) -> None:
    rows = [COLUMNS, *(_row(report, "") for report in reports)]
    if modules:
        rows = [
            ("data set", "nodes", "model", "part", "module", "parameters"),
            *(
                (report["data set"], report["nodes"], report["model"], part, name, count)
                for report in reports
                for part, counts in report["modules"].items()
                for name, count in counts.items()
            ),
        ]
    csv.writer(sys.stdout, lineterminator="\n").writerows([safe_cell(cell) for cell in row] for row in rows)


if __name__ == "__main__":
    apply_tuning()
    command(main)
