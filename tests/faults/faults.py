"""Break runs of TINY in every way they can break, give the same command again, and compare to the bit.

    python tests/faults/faults.py                    30 kills, a full disk at every file, damaged and deleted files, ...
    python tests/faults/faults.py --only kill --kills 300
    python tests/faults/faults.py --out faults.json

Real processes of the real command: LSTM, LSTM+ in joint and LSTM+ in adapt. A try passes if what the run says is one
line and the same command then ends with the scores, curve and weights of the run that nothing happened to.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Any

from entry import Parser, command

from benchmarks.measuring import keep
from stlora_ext.cli import positive
from tests.faults import kinds
from tests.faults.cell import Broken, Cell, cells

COLUMNS = [
    ["fault", "Fault", "{}"],
    ["cells", "Runs", "{}"],
    ["tries", "Tries", "{}"],
    ["passed", "Ended like the run that nothing happened to", "{}"],
]
KINDS = ("kill", "stop", "disk", "damage", "delete", "folder")
Try = tuple[str, Cell, kinds.Fault]


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = Parser(prog="tests/faults/faults.py", description=__doc__)
    p.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND", help=", ".join(KINDS))
    p.add_argument("--kills", type=positive, default=30, metavar="K", help="SIGKILLs at random moments (default: 30)")
    p.add_argument("--seed", type=int, default=0, metavar="S", help="of those moments")
    p.add_argument("--out", type=Path, metavar="JSON", help="where to keep the counts")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    from tqdm import tqdm

    from stlora_ext.data.available import open_dataset

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        open_dataset("TINY", folder / "data")
        whole = cells(folder / "data", folder / "whole")
        expected = {cell: result for cell, result, _ in whole}
        planned = list(plan(args, whole, folder))
        tries: dict[str, list[tuple[Cell, str]]] = {}
        for number, (name, cell, fault) in enumerate(tqdm(planned, unit="try", disable=None)):
            wrong = attempt(fault, cell, folder / f"{number}", expected[cell])
            tries.setdefault(name, []).append((cell, wrong))
            if wrong:
                print(f"{name}, {cell.name}: {wrong}", file=sys.stderr)
        rows = [
            {
                "fault": name,
                "cells": "; ".join(sorted({cell.name for cell, _ in done})),
                "tries": len(done),
                "passed": sum(not wrong for _, wrong in done),
            }
            for name, done in tries.items()
        ]
    keep(COLUMNS, rows, args.out)
    failed = sum(row["tries"] - row["passed"] for row in rows)
    if failed:
        sys.exit(f"error: {failed} of {sum(row['tries'] for row in rows)} tries failed, see above")


def plan(args: argparse.Namespace, whole: Iterable[tuple[Cell, dict[str, Any], float]], folder: Path) -> Iterable[Try]:
    """Yield the tries: name, cell and fault."""
    whole = list(whole)
    every = [cell for cell, _, _ in whole]
    plus = every[1]
    makers: dict[str, Callable[[], Iterable[Try]]] = {
        "kill": lambda: (
            ("SIGKILL at a random moment", cell, kinds.killed(moment * seconds))
            for moment, (cell, _, seconds) in zip(
                kinds.random_moments(args.kills, 1.0, args.seed), cycle(whole), strict=False
            )
        ),
        "stop": lambda: (
            (f"{name} after the first epoch", cell, kinds.stopped(number, code, word))
            for name, number, code, word in (
                ("Ctrl-C", SIGINT, 130, "interrupted"),
                ("SIGTERM", SIGTERM, 143, "terminated"),
            )
            for cell in every
        ),
        "disk": lambda: full_disks(plus, folder),
        "damage": lambda: damages(plus),
        "delete": lambda: (
            (f"{file} of an interrupted run deleted", plus, kinds.deleted(file))
            for file in ("last.pt", "best.pt", "cfg.json", "train.log", ".lock")
        ),
        "folder": lambda: (
            (name, plus, fault)
            for name, fault in (
                ("a folder that may not be written to", kinds.read_only),
                ("two processes on one run", kinds.twice_at_once),
            )
        ),
    }
    for kind in KINDS:
        if kind in args.only:
            yield from makers[kind]()


def full_disks(cell: Cell, folder: Path) -> Iterable[Try]:
    """Yield a full disk at each file that a run writes, and, where one may be mounted, a small one that fills up."""
    for file in range(1, kinds.files_written(cell, folder / "watched") + 1):
        yield "disk full at the n-th file opened, every n", cell, kinds.without_space_from(file)
    if kinds.may_mount():
        for kilobytes in (4, 8, 12, 16, 24, 48, 96, 192, 256, 384, 512):
            yield "a small file system that fills up", cell, kinds.within(kilobytes)
    else:
        print("not tried: a small file system that fills up (mounting one needs root)", file=sys.stderr)


def damages(cell: Cell) -> Iterable[Try]:
    """Yield cut checkpoints and records."""
    for what, share in (("empty", 0.0), ("cut in half", 0.5)):
        for file in ("last.pt", "best.pt"):
            yield f"{file} {what}", cell, kinds.damaged(file, share)
        yield f"record {what}", cell, kinds.record_cut(share)


def attempt(fault: kinds.Fault, cell: Cell, results: Path, expected: dict[str, Any]) -> str:
    """Break a run and finish it; "" if it ended as expected, else what went wrong."""
    started = time.monotonic()
    try:
        found = fault(cell, results)
    except Broken as error:
        return f"{error} (after {time.monotonic() - started:.1f} s, {results.name})"
    different = [key for key in expected if found[key] != expected[key]]
    left = [path.name for path in results.rglob("*.tmp")]
    return "; ".join([f"other {', '.join(different)}"] * bool(different) + [f"left {', '.join(left)}"] * bool(left))


if __name__ == "__main__":
    command(main)
