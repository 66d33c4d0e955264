"""Print the table of a data set from the run records, mean and standard deviation over seeds.

    python experiments/table.py --dataset PEMS08-TAIL
    python experiments/table.py --dataset PEMS08-TAIL --results results/published
    python experiments/table.py --benchmark results/published/benchmarks/adapter.json
    python experiments/table.py --update README.md        rewrite the tables marked in a document
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

ROOT = Path(__file__).resolve().parents[1]
sys.path[0:0] = [] if str(ROOT) in sys.path else [str(ROOT)]

from stlora_ext.cli import Parser, command  # noqa: E402
from stlora_ext.errors import UserError, nearest  # noqa: E402
from stlora_ext.files import atomic_path  # noqa: E402
from stlora_ext.records.store import PUBLISHED, read_records  # noqa: E402
from stlora_ext.tables.benchmark import render_benchmark  # noqa: E402
from stlora_ext.tables.documents import update_tables  # noqa: E402
from stlora_ext.tables.markdown import render  # noqa: E402
from stlora_ext.tables.rows import by_data, table_rows  # noqa: E402
from stlora_ext.tables.settings import render_settings  # noqa: E402


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = Parser(prog="experiments/table.py", description=__doc__)
    wanted = p.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--dataset", metavar="NAME", help="the data set")
    wanted.add_argument("--update", type=Path, metavar="FILE", help="Markdown document whose marked tables to rewrite")
    wanted.add_argument("--benchmark", type=Path, metavar="JSON", help="figures that a command of benchmarks/ wrote")
    p.add_argument("--settings", metavar="MODEL", help="of --dataset, this model's adapters side by side")
    p.add_argument("--results", type=Path, default=ROOT / "results", metavar="DIR", help="folder of the records")
    return p


def table(dataset: str, results: Path) -> str:
    """Return the Markdown table of ``dataset`` from the records under ``results``.

    Raises:
        UserError: If there are none.
    """
    from experiments.models import MODEL_ORDER
    groups = by_data(dataset_records(dataset, results))
    parts = []
    for fingerprint, group in sorted(groups.items()):
        heading = f"Data {fingerprint[:19]} (one of {len(groups)} versions of {dataset}, never mixed)\n\n"
        parts.append((heading if len(groups) > 1 else "") + render(dataset, table_rows(group, MODEL_ORDER)))
    return "\n".join(parts)


def dataset_records(dataset: str, results: Path) -> list[dict[str, Any]]:
    """Return all records of ``dataset`` under ``results``.

    Raises:
        UserError: If there are none, saying where there are.
    """
    records = read_records(results, dataset)
    if not records:
        raise UserError(f"no records of '{dataset}' under {results}; {_elsewhere(dataset, results)}")
    return records


def _elsewhere(dataset: str, results: Path) -> str:
    if (results / PUBLISHED / dataset).is_dir():
        return f"published ones: --results {results / PUBLISHED}"
    found = sorted(p.name for p in results.glob("*") if p.is_dir() and p.name != PUBLISHED)
    if found and dataset not in found:
        return nearest(dataset, found)
    return f"run one first: python experiments/run.py -c experiments/{dataset}/LSTM.py"


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    if args.update is None:
        print(printed(args, Path()), end="")
        return
    if not args.update.is_file():
        raise UserError(f"document {args.update} does not exist")
    text = updated(args.update.read_text(encoding="utf-8"))
    with atomic_path(args.update) as temporary:
        temporary.write_text(text, encoding="utf-8")


def printed(args: argparse.Namespace, root: Path) -> str:
    """Return the table that ``args`` ask for; their relative paths begin at ``root``."""
    if args.benchmark is not None:
        return render_benchmark(root / args.benchmark)
    if args.settings is not None:
        return render_settings([record for record in dataset_records(args.dataset, root / args.results)
                                if record["key"]["model"] == args.settings])
    return table(args.dataset, root / args.results)


def updated(document: str) -> str:
    """Return ``document`` with its marked tables as the records are now; their paths are the repository's."""
    def print_table(arguments: Sequence[str]) -> str:
        return printed(parser().parse_args(arguments), ROOT)
    return update_tables(document, print_table)


if __name__ == "__main__":
    command(main)
