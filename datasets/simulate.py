"""Simulate traffic with node-level differences of known strength, written as a prepared data set.

    python datasets/simulate.py TINY                       a named size: TINY (12 nodes, 7 days), CITY (64, 28 days),
                                                           CITY-H0 and CITY-H1: CITY at heterogeneity 0 and 1
    python datasets/simulate.py MINE --nodes 30 --days 14 --heterogeneity 0.8 --seed 1
    python datasets/simulate.py PEMS08 --raw-file raw/PEMS08.npz --days 5    a raw file in the official form

At --heterogeneity 0 every node follows one law, so no node-specific correction can help; at 1 they differ strongly.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from entry import Parser, command

from stlora_ext.data.catalog import CATALOG, SIMULATED, USUAL_LEN, CatalogEntry
from stlora_ext.data.names import check_dataset_name
from stlora_ext.errors import UserError
from stlora_ext.preparation.series import Series
from stlora_ext.preparation.summary import report
from stlora_ext.preparation.timeline import check_interval, regular_times
from stlora_ext.preparation.writer import build, write
from stlora_ext.simulation.memory import check_memory
from stlora_ext.simulation.raw_file import write_raw_file
from stlora_ext.simulation.traffic import simulate

DATASETS = Path(__file__).resolve().parent
_MONDAY = "2024-01-01"
_TRAIN_RATIO = 0.6
_RANGES = {
    "nodes": (3, 1_000_000),
    "days": (1, 36_500),
    "seed": (0, math.inf),
    "input_len": (1, 1_000_000),
    "output_len": (1, 1_000_000),
}
_DEFAULTS = {"heterogeneity": 0.5, "seed": 0, "interval": 5, "input_len": USUAL_LEN, "output_len": USUAL_LEN}


def parser() -> Parser:
    """Return the parser of the command line."""
    result = Parser(prog="datasets/simulate.py", description=__doc__)
    add = result.add_argument
    add("name", metavar="NAME", help="a named size, or a name of your own; with --raw-file an official PEMS0x name")
    add("--nodes", type=int, metavar="N", help="sensors, at least 3")
    add("--days", type=int, metavar="D", help="days, from a Monday on")
    add("--heterogeneity", type=float, metavar="H", help="strength of node-level differences, 0 to 1 (default 0.5)")
    add("--seed", type=int, metavar="S", help="same arguments, same bytes (default 0)")
    add("--interval", type=int, metavar="MINUTES", help="minutes per step, dividing a day (default 5)")
    add("--input-len", type=int, metavar="STEPS", help=f"input steps of a window (default {USUAL_LEN})")
    add("--output-len", type=int, metavar="STEPS", help=f"forecast steps of a window (default {USUAL_LEN})")
    add(
        "--raw-file",
        type=Path,
        metavar="PATH",
        help="write PATH (.npz) and NAME.csv as the official files are made, and prepare nothing",
    )
    add("--data", type=Path, metavar="DIR", help="where NAME/ is written (default: datasets/)")
    add("--force", action="store_true", help="replace another preparation of the same name")
    return result


def check_ranges(args: argparse.Namespace) -> None:
    """Check every number that was given.

    Raises:
        UserError: If one is out of range.
    """
    for option, (least, most) in _RANGES.items():
        value = getattr(args, option)
        if value is not None and value < least:
            raise UserError(f"--{_dashed(option)} {value}: expected {least} or more")
        if value is not None and value > most:
            raise UserError(f"--{_dashed(option)} {value}: expected at most {most}")
    if args.heterogeneity is not None and not 0 <= args.heterogeneity <= 1:
        raise UserError(f"--heterogeneity {args.heterogeneity}: expected 0 (one law for all nodes) to 1")
    if args.interval is not None:
        if args.interval > 1440:
            raise UserError(f"--interval {args.interval}: expected at most 1440 minutes, a day")
        check_interval(60 * args.interval)


def complete(args: argparse.Namespace) -> argparse.Namespace:
    """Fill in what was not given: a named size's own values, or the defaults.

    Raises:
        UserError: If an option contradicts a named size, or the name belongs to a real data set.
    """
    entry = CATALOG.get(args.name)
    if entry is None:
        own = dict(_DEFAULTS)
    elif entry.kind == "simulated":
        own = _own_values(entry)
    else:
        raise UserError(
            f"{args.name} is a real data set and never written by a simulation: choose another NAME, or "
            "write a raw file in its form with --raw-file"
        )
    for option in ("nodes", "days", *_DEFAULTS):
        given = getattr(args, option)
        if given is None and option not in own:
            raise UserError(
                f"--{option} is missing: '{args.name}' is no named size ({', '.join(SIMULATED)}), give "
                "--nodes and --days"
            )
        if entry is not None and given is not None and given != own[option]:
            raise UserError(
                f"--{_dashed(option)} {given} contradicts {args.name}, for which it is {own[option]}: "
                "leave it out, or use another NAME"
            )
        if given is None:
            setattr(args, option, own[option])
    return args


def _own_values(entry: CatalogEntry) -> dict[str, float]:
    return {
        "nodes": entry.num_nodes,
        "days": entry.num_steps * entry.interval // 1440,
        **_DEFAULTS,
        "heterogeneity": entry.heterogeneity,
        "interval": entry.interval,
    }


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate one data set, or one raw file, and say what was written."""
    args = parser().parse_args(argv)
    check_dataset_name(args.name)
    check_ranges(args)
    if args.raw_file is not None:
        for option in ("nodes", "interval", "input_len", "output_len", "data"):
            if getattr(args, option) is not None:
                raise UserError(f"--{_dashed(option)} does not go with --raw-file, whose form is fixed: leave it out")
        files = write_raw_file(
            args.name,
            args.raw_file,
            args.days,
            _DEFAULTS["heterogeneity"] if args.heterogeneity is None else args.heterogeneity,
            args.seed or 0,
        )
        print(f"{args.name}: simulated raw files, not the official ones: {', '.join(map(str, files))}")
        return
    args = complete(args)
    root = DATASETS if args.data is None else args.data
    num_steps = args.days * 1440 // args.interval
    check_memory(args.nodes, num_steps, args.interval)
    traffic = simulate(args.nodes, num_steps, args.interval, args.heterogeneity, args.seed)
    series = Series(
        traffic.flow,
        times=regular_times(np.datetime64(_MONDAY), num_steps, 60 * args.interval),
        interval=60 * args.interval,
        graph=traffic.graph,
        null_val=0.0,
        notes=[f"simulated: heterogeneity {args.heterogeneity:g}, seed {args.seed}"],
    )
    arrays, meta = build(series, args.name, "simulated traffic flow", _TRAIN_RATIO, args.input_len, args.output_len, [])
    outcome = write(root, series, arrays, meta, args.force)
    print(report(series, meta, outcome, root))


if __name__ == "__main__":
    command(main)
