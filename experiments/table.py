"""Print the tables of the run records, mean and standard deviation over seeds, base, "+" and their difference.

python experiments/table.py                                         every data set that has records
python experiments/table.py --dataset PEMS08-TAIL --results results/published
python experiments/table.py --dataset TINY --horizons 1 3 12        other steps than 3, 6 and 12
python experiments/table.py --dataset PEMS04 --compare              beside published scores of the same data set
python experiments/table.py --dataset PEMS08-TAIL --format latex > table.tex
python experiments/table.py --dataset TINY --settings LSTM+         one model's adapter settings side by side
python experiments/table.py --dataset NYC-TAXI --settings LSTM+ --before 2020-07-01      how its stream was updated
python experiments/table.py --dataset PEMS08-TAIL --gains           a line per backbone: what its adapter gains
python experiments/table.py --dataset CITY --ranked                 a line per model, the best first, failed runs too
python experiments/table.py --dataset CITY --short                  the average MAE alone (also with --gains)
python experiments/table.py --benchmark results/published/benchmarks/adapter.json
python experiments/table.py --update README.md                      rewrite the tables marked in a document
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from entry import command

from stlora_ext.errors import UserError
from stlora_ext.files import atomic_path
from stlora_ext.folders import ROOT
from stlora_ext.options import ModelParser, add_horizons
from stlora_ext.tables.formats import FORMATS


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = ModelParser(prog="experiments/table.py", description=__doc__)
    wanted = p.add_mutually_exclusive_group()
    wanted.add_argument("--dataset", metavar="NAME", help="the data set (default: all that have records)")
    wanted.add_argument("--update", type=Path, metavar="FILE", help="Markdown document whose marked tables to rewrite")
    wanted.add_argument("--benchmark", type=Path, metavar="JSON", help="numbers that a command of benchmarks/ wrote")
    p.add_argument("--gains", action="store_true", help="of --dataset, a line per backbone: what it gains")
    p.add_argument("--ranked", action="store_true", help="of --dataset, a line per model, sorted by its MAE")
    p.add_argument("--short", action="store_true", help="the average MAE alone; of --gains, '+' and '+' minus control")
    p.add_argument("--settings", metavar="MODEL", help="of --dataset, this model's adapters side by side")
    p.add_argument("--before", metavar="DATE", help="of --settings, protocol stream's, by their error before DATE")
    p.add_argument("--format", choices=FORMATS, default="markdown", help="default: markdown; csv: in full precision")
    add_horizons(p)
    p.add_argument("--compare", action="store_true", help="add published scores of the same data set")
    p.add_argument("--results", type=Path, default=ROOT / "results", metavar="DIR", help="folder of the records")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    if args.before is not None and args.settings is None:
        raise UserError(f"--before {args.before}: only for --settings MODEL; leave it out")
    if args.update is None:
        print(printed(args, Path()), end="")
        return
    _refuse_unused(args, settings=True)
    if args.format != "markdown":
        raise UserError(f"--format {args.format}: --update rewrites Markdown documents; leave it out")
    if not args.update.is_file():
        raise UserError(f"document {args.update} does not exist")
    try:
        text = args.update.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"document {args.update} is no text in UTF-8 ({error}): save it as such") from None
    text = updated(text)
    with atomic_path(args.update) as temporary:
        temporary.write_text(text, encoding="utf-8")


def printed(args: argparse.Namespace, root: Path) -> str:
    """Return what ``args`` ask for; their relative paths begin at ``root``.

    Raises:
        UserError: If an option doesn't go with another, or there are no records.
    """
    from stlora_ext.runs.failure import read_failures
    from stlora_ext.runs.store import read_records
    from stlora_ext.tables.benchmark import benchmark_table
    from stlora_ext.tables.gains import gains_table
    from stlora_ext.tables.groups import all_settings, data_groups, recorded_datasets, tables, updates_of
    from stlora_ext.tables.ranking import ranking_tables

    if args.benchmark is not None:
        _refuse_unused(args, settings=True)
        return FORMATS[args.format]([benchmark_table(root / args.benchmark)])
    results = root / args.results
    if args.settings is not None:
        _refuse_unused(args)
        if args.dataset is None:
            raise UserError(f"--settings {args.settings}: name the data set with --dataset NAME")
        if args.before is not None:
            return FORMATS[args.format](updates_of(args.settings, args.before, args.dataset, results))
        return FORMATS[args.format](all_settings(args.settings, args.dataset, results))
    if args.ranked:
        _refuse_unused(args)
        if args.dataset is None:
            raise UserError("--ranked: name the data set with --dataset NAME")
        failures = read_failures(results, args.dataset)
        all_failed = failures and not read_records(results, args.dataset)
        groups = [] if all_failed else data_groups([args.dataset], results)
        return FORMATS[args.format](ranking_tables(args.dataset, groups, failures))
    if args.gains:
        _refuse_unused(args, short=False)
        if args.dataset is None:
            raise UserError("--gains: name the data set with --dataset NAME")
        return FORMATS[args.format](
            [
                gains_table(group.dataset, group.rows, args.short, group.heading)
                for group in data_groups([args.dataset], results)
            ]
        )
    if args.short and (args.compare or args.horizons is not None):
        raise UserError("--short shows the average MAE alone: leave out --compare and --horizons")
    datasets = recorded_datasets(results) if args.dataset is None else [args.dataset]
    made = tables(datasets, results, args.compare, args.results, args.horizons, args.short)
    if args.format == "csv":
        for title, fill in (missing for table in made for missing in table.missing):
            print(f"missing: {title}: {fill}", file=sys.stderr)
    return FORMATS[args.format](made)


def _refuse_unused(args: argparse.Namespace, settings: bool = False, short: bool = True) -> None:
    unused = ["--compare"] * args.compare + ["--horizons"] * (args.horizons is not None)
    unused += ["--short"] * (args.short and short)
    unused += [f"--settings {args.settings}"] * (settings and args.settings is not None)
    unused += ["--gains"] * (args.gains and (settings or args.settings is not None or args.ranked))
    unused += ["--ranked"] * (args.ranked and (settings or args.settings is not None))
    if unused:
        raise UserError(f"{unused[0]}: only for the tables of data sets; leave it out")


def updated(document: str) -> str:
    """Return ``document`` with its marked tables as the records are now; their paths are the repository's."""
    from stlora_ext.tables.documents import update_tables

    def print_table(arguments: Sequence[str]) -> str:
        return printed(parser().parse_args(arguments), ROOT)

    return update_tables(document, print_table)


if __name__ == "__main__":
    command(main)
