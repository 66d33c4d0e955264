"""How soon a command answers, in units of ``python -c "import torch"`` on the same machine.

    python benchmarks/start.py                      help of every command, then tables, plots, publish, plans

The commands take turns with that import, each in a process of its own, and a ratio is of the same round. Tables, a
picture and publish.py read records: the published ones of a data set, again under other seeds until they are enough.
A sweep's plan and a dry run need torch: a run's key is a hash of the host's configuration, made of its classes. So does
a table that prints the command of a missing run.
"""

import argparse
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from entry import Parser, command

from benchmarks.measuring import add_options, in_turn, keep
from stlora_ext.cli import positive
from stlora_ext.folders import ROOT

DATASET = "METR-LA-29"
IMPORT = "import torch"
COLUMNS = [
    ["command", "Command", "{}"],
    ["seconds", "Seconds", "{:.2f}"],
    ["ratio", "Beside import torch", "{:.2f}"],
    ["ratio_low", "quartiles", "{:.2f}"],
    ["ratio_high", "", "{:.2f}"],
]


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = Parser(prog="benchmarks/start.py", description=__doc__)
    p.add_argument("--records", type=positive, default=400, metavar="R", help="records to read (default: 400)")
    p.add_argument("--rounds", type=positive, default=5, metavar="R", help="calls of each command (default: 5)")
    add_options(p)
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records = copy_records(args.records, folder)
        _call(f"datasets/simulate.py TINY --data {folder}")
        calls: dict[str, Callable[[], None]] = {IMPORT: partial(_run, ["-c", IMPORT])}
        calls |= {f"{path} --help": partial(_call, f"{path} --help") for path in commands()}
        calls |= {shown: partial(_call, line) for shown, line in of_records(folder).items()}
        times = in_turn(calls, args.rounds)
    rows = []
    for shown, seconds in times.items():
        ratios = [own / torch for own, torch in zip(seconds, times[IMPORT], strict=True)]
        quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        rows.append(
            {
                "command": shown,
                "seconds": statistics.median(seconds),
                "ratio": statistics.median(ratios),
                "ratio_low": quartiles[0],
                "ratio_high": quartiles[2],
            }
        )
    keep(COLUMNS, rows, args.out, records=records, rounds=args.rounds)


def commands() -> list[str]:
    """Return the commands, as paths in the repository."""
    files = [*sorted(ROOT.glob("datasets/*.py")), *sorted(ROOT.glob("experiments/*.py"))]
    return [str(file.relative_to(ROOT)) for file in files if "__main__" in file.read_text(encoding="utf-8")]


def of_records(folder: Path) -> dict[str, str]:
    """Return what the commands that read records or plan runs are shown as, and their command lines."""
    chosen, places = f"--dataset {DATASET}", f"--results {folder / 'results'}"
    data = f"--data {folder} --dry-run"
    return {
        "experiments/table.py": f"experiments/table.py {chosen} {places}",
        "experiments/table.py --gains": f"experiments/table.py {chosen} {places} --gains",
        "experiments/plot.py": f"experiments/plot.py {chosen} {places} --out {folder / 'picture.png'}",
        "experiments/publish.py": f"experiments/publish.py {chosen} {places} --to {folder / 'published'}",
        "experiments/sweep.py --dry-run": f"experiments/sweep.py --datasets TINY --models all {places} {data}",
        "experiments/run.py --dry-run": f"experiments/run.py -c experiments/TINY/LSTM_LoRA.py {places} {data}",
    }


def copy_records(number: int, folder: Path) -> int:
    """Write ``number`` records or a few more, whole copies, into ``results`` and ``published`` of ``folder``.

    Returns:
        int: How many.
    """
    from stlora_ext.runs.record import Record
    from stlora_ext.runs.store import PUBLISHED, read_records, write_record

    records = read_records(ROOT / "results" / PUBLISHED, DATASET)
    written = set()
    for copy in range(-(-number // len(records))):
        for record in records:
            key = record.key if record.key.seed is None else replace(record.key, seed=record.key.seed + 100 * copy)
            again = Record.of({**record.content, "key": key.as_dict()})
            written.add(write_record(again, folder / "results"))
            write_record(again, folder / "published")
    return len(written)


def _call(line: str) -> None:
    _run(shlex.split(line))


def _run(arguments: Sequence[str]) -> None:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{shlex.join(arguments)}: exit {done.returncode}: {done.stderr.strip()[-500:]}")


if __name__ == "__main__":
    command(main)
