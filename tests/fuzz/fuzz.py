"""Damage valid files of every format and give them to what reads them: a result or a one-line refusal may come out.

    python tests/fuzz/fuzz.py --rounds 500 --seed 0
    python tests/fuzz/fuzz.py --formats raw.h5 model.pt --rounds 5000
    python tests/fuzz/fuzz.py --formats raw.csv --first 17 --rounds 1 --seed 0 --keep raw.csv    one of them again

Each format is read in a process of its own, which may take 1 GiB more memory than it begins with and 20 s a file; a
process that dies is told and the next file goes on. Ends with 1 if anything else than a result or a refusal came out.
"""

import argparse
import contextlib
import io
import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from entry import Parser, command

from stlora_ext.cli import positive
from stlora_ext.errors import UserError, nearest
from stlora_ext.folders import ROOT

FORMATS = (
    "raw.npy",
    "raw.npz",
    "raw.csv",
    "raw.h5",
    "zoned.csv",
    "long.csv",
    "timed.npz",
    "ids.txt",
    "edges.csv",
    "matrix.csv",
    "graph.npy",
    "graphs.npz",
    "graph.pkl",
    "edges.npz",
    "OLD/desc.json",
    "OLD/data.dat",
    "STOCK/meta.json",
    "STOCK/train_timestamps.npy",
    "READY/meta.json",
    "READY/val_data.npy",
    "READY/graph.npz",
    "recent.csv",
    "model.pt",
    "adapter.safetensors",
    "service.safetensors",
    "record.json",
    "benchmark.json",
)
SECONDS = 20
GIB = 2**30


class TookTooLong(BaseException):
    """A reader did not come back; no reader catches it."""


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = Parser(prog="tests/fuzz/fuzz.py", description=__doc__)
    p.add_argument("--rounds", type=positive, default=200, metavar="N", help="damaged files of each format")
    p.add_argument("--seed", type=int, default=0, metavar="S", help="what the damage is drawn from")
    p.add_argument("--first", type=int, default=0, metavar="N", help="number of the first file")
    p.add_argument("--formats", nargs="+", default=list(FORMATS), metavar="NAME", help=f"of {', '.join(FORMATS)}")
    p.add_argument("--keep", type=Path, metavar="PATH", help="keep the last damaged file")
    p.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    unknown = next((name for name in args.formats if name not in FORMATS), None)
    if unknown is not None:
        raise UserError(f"--formats {unknown}: {nearest(unknown, FORMATS)}")
    if args.worker is not None:
        work(args.formats[0], args)
        return
    wrong = 0
    for name in args.formats:
        counts = fuzz(name, args)
        wrong += len(counts["wrong"])
        print(
            f"{name}: {counts['files']} files, {counts['read']} read, {counts['refused']} refused, "
            f"{len(counts['wrong'])} wrong",
            flush=True,
        )
        for place, what in counts["wrong"]:
            print(f"  --formats {name} --first {place} --rounds 1 --seed {args.seed}: {what}", flush=True)
    print(f"{len(args.formats) * args.rounds} files, {wrong} wrong")
    if wrong:
        sys.exit(1)


def fuzz(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Read ``args.rounds`` damaged files of one format, in as many processes as it takes."""
    counts: dict[str, Any] = {"files": 0, "read": 0, "refused": 0, "wrong": []}
    first, end = args.first, args.first + args.rounds
    while first < end:
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [
                    sys.executable,
                    __file__,
                    "--worker",
                    folder,
                    "--formats",
                    name,
                    "--seed",
                    str(args.seed),
                    "--first",
                    str(first),
                    "--rounds",
                    str(end - first),
                    *(["--keep", str(args.keep)] if args.keep else []),
                ],
                capture_output=True,
                text=True,
                check=False,
            )
        outcomes = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
        if not outcomes and done.returncode:
            raise SystemExit(f"{name}: the process did not begin: {done.stderr[-2000:]}")
        for place, outcome, what in outcomes:
            counts["files"] += 1
            counts["wrong" if outcome == "wrong" else outcome] += [(place, what)] if outcome == "wrong" else 1
        first = outcomes[-1][0] + 1 if outcomes else first
        if first < end:
            counts["files"] += 1
            counts["wrong"].append((first, f"the process ended with {done.returncode}: {done.stderr[-200:]}"))
            first += 1
    return counts


def work(name: str, args: argparse.Namespace) -> None:
    """Read damaged files of one format in this process; a line of JSON tells what came of each."""
    from tests.fuzz.formats import formats
    from tests.fuzz.mutations import damaged

    signal.signal(signal.SIGALRM, _too_long)
    talk = sys.stdout
    with contextlib.redirect_stdout(io.StringIO()):
        one = formats(args.worker)[name]
    valid = one.path.read_bytes()
    with contextlib.redirect_stdout(io.StringIO()):
        one.read()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + GIB, used + GIB))
    for place in range(args.first, args.first + args.rounds):
        content = damaged(valid, random.Random(f"{args.seed} {name} {place}"))
        if args.keep is not None:
            args.keep.write_bytes(content)
        one.path.write_bytes(content)
        print(json.dumps([place, *outcome(one.read)]), file=talk, flush=True)


def outcome(read) -> tuple[str, str]:
    """Return ``read``, ``refused`` or ``wrong``, and in which way."""
    signal.alarm(SECONDS)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("error")
            read()
    except UserError as error:
        message = str(error)
        if "allocate" in message or len(message) > 1500:
            return "wrong", message[:300]
        return "refused", ""
    except (Exception, SystemExit, TookTooLong) as error:
        frames = traceback.extract_tb(error.__traceback__)
        at = [frame for frame in frames if str(ROOT) in frame.filename][-1]
        reason = " ".join(str(error).split())[:200]
        return "wrong", f"{type(error).__name__} in {Path(at.filename).name}:{at.lineno}: {reason}"
    finally:
        signal.alarm(0)
    return "read", ""


def _too_long(*_: object) -> None:
    raise TookTooLong(f"{SECONDS} s")


if __name__ == "__main__":
    command(main)
