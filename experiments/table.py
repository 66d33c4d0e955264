"""Print the table of a data set from the run records, mean and standard deviation over seeds.

    python experiments/table.py --dataset PEMS08-TAIL
    python experiments/table.py --dataset PEMS08-TAIL --results results/published
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

ROOT = Path(__file__).resolve().parents[1]
sys.path[0:0] = [] if str(ROOT) in sys.path else [str(ROOT)]

from stlora_ext.cli import Parser, command  # noqa: E402
from stlora_ext.errors import UserError, nearest  # noqa: E402
from stlora_ext.records.store import PUBLISHED, read_records  # noqa: E402
from stlora_ext.tables.markdown import render  # noqa: E402
from stlora_ext.tables.rows import by_data, table_rows  # noqa: E402


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = Parser(prog="experiments/table.py", description=__doc__)
    p.add_argument("--dataset", required=True, metavar="NAME", help="the data set")
    p.add_argument("--results", type=Path, default=ROOT / "results", metavar="DIR", help="folder of the records")
    return p


def table(dataset: str, results: Path) -> str:
    """Return the Markdown table of ``dataset`` from the records under ``results``.

    Raises:
        UserError: If there are none.
    """
    from experiments.models import MODEL_ORDER
    records = read_records(results, dataset)
    if not records:
        raise UserError(f"no records of '{dataset}' under {results}; {_elsewhere(dataset, results)}")
    groups = by_data(records)
    parts = []
    for fingerprint, group in sorted(groups.items()):
        heading = f"Data {fingerprint[:19]} (one of {len(groups)} versions of {dataset}, never mixed)\n\n"
        parts.append((heading if len(groups) > 1 else "") + render(dataset, table_rows(group, MODEL_ORDER)))
    return "\n".join(parts)


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
    print(table(args.dataset, args.results), end="")


if __name__ == "__main__":
    command(main)
