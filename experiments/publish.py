"""Copy finished records to results/published, where README and the docs cite them from.

    python experiments/publish.py --dataset PEMS08-TAIL
"""

import argparse
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Optional

ROOT = Path(__file__).resolve().parents[1]
sys.path[0:0] = [] if str(ROOT) in sys.path else [str(ROOT)]

from stlora_ext.cli import Parser, command  # noqa: E402
from stlora_ext.errors import UserError  # noqa: E402
from stlora_ext.records.store import PUBLISHED, read_records, write_record  # noqa: E402


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = Parser(prog="experiments/publish.py", description=__doc__)
    p.add_argument("--dataset", required=True, metavar="NAME", help="the data set")
    p.add_argument("--models", nargs="+", default=["*"], metavar="GLOB", help="models (default: all)")
    p.add_argument("--results", type=Path, default=ROOT / "results", metavar="DIR", help="where the records lie")
    p.add_argument("--to", type=Path, default=ROOT / "results" / PUBLISHED, metavar="DIR", help="where they go")
    return p


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    records = [record for record in read_records(args.results, args.dataset)
               if any(fnmatch(record["key"]["model"], pattern) for pattern in args.models)]
    if not records:
        raise UserError(f"no records of {' or '.join(args.models)} on '{args.dataset}' under {args.results}: "
                        "run them first, or give the folder that they are in as --results")
    for record in records:
        print(f"published {write_record(record, args.to).relative_to(args.to)}")


if __name__ == "__main__":
    command(main)
