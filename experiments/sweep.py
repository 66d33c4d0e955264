"""Train many runs of the benchmark, one process each: data sets x models x protocols x arms x seeds.

    python experiments/sweep.py --datasets PEMS08 --models AGCRN AGCRN+ --seeds 0-4 --gpus 0,1
    python experiments/sweep.py --datasets PEMS08-TAIL --models all --arms plus control --jobs 2 --dry-run
    python experiments/sweep.py --datasets PEMS08 --models all --ray auto --gpus-per-cell 1

Finished runs aren't repeated. Stop it whenever you like: the same command goes on.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from entry import command

from stlora_ext.cli import int_range, positive
from stlora_ext.config.experiment import PROTOCOLS
from stlora_ext.folders import ROOT
from stlora_ext.options import ModelParser, add_folders, add_set, given_settings
from stlora_ext.runs.key import ARMS
from stlora_ext.sweep.engines import add_engines, chosen, refuse_contradictions

if TYPE_CHECKING:
    from stlora_ext.sweep.request import Request


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = ModelParser(prog="experiments/sweep.py", description=__doc__)
    p.add_argument("--datasets", nargs="+", required=True, metavar="NAME", help="names, globs such as 'PEMS*', or all")
    p.add_argument(
        "--models",
        nargs="+",
        required=True,
        metavar="NAME",
        help="names, globs such as 'A*' or '*+', or all; NAME+ is NAME with adapter",
    )
    p.add_argument("--without", nargs="+", default=[], metavar="NAME", help="backbones to leave out, names or globs")
    p.add_argument(
        "--protocols",
        nargs="+",
        choices=PROTOCOLS,
        help="of trained models with adapter (default: joint); a fitted model's adapter always adapts",
    )
    p.add_argument(
        "--arms",
        nargs="+",
        choices=ARMS,
        default=["plus"],
        help="of models with adapter (default: plus); base is the model without it",
    )
    p.add_argument(
        "--splits",
        type=int_range,
        nargs="+",
        default=[],
        metavar="N",
        help="with --protocols new-sensors, draws of the sensors that are set aside: 0 1 2 or 0-4 (default: 0)",
    )
    p.add_argument("--seeds", type=int_range, nargs="+", metavar="S", help="0 1 2 or 0-4 (default: the configs')")
    add_engines(p)
    p.add_argument("--epochs", type=positive, metavar="E", help="epochs at most")
    p.add_argument("--batch-size", type=positive, metavar="B", help="windows per training step")
    add_set(p, "any setting of run.py; model.X and adapter.X go to the models that have X")
    add_folders(p, "where runs and records go")
    p.add_argument("--compile", action="store_true", help="run the models through torch.compile")
    p.add_argument("--cuda-graphs", action="store_true", help="on a GPU, record training steps and replay them")
    p.add_argument("--bf16", action="store_true", help="forward passes under bfloat16 autocast; results of their own")
    p.add_argument("--deterministic", action="store_true", help="as of run.py")
    p.add_argument("--dry-run", action="store_true", help="print the plan, and stop")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    refuse_contradictions(args)
    from stlora_ext.sweep.estimate import Estimates
    from stlora_ext.sweep.plan import without_idle
    from stlora_ext.sweep.request import make_plan
    from stlora_ext.sweep.schedule import Schedule
    from stlora_ext.sweep.show import Display, failure_lines, plan_lines

    plan = make_plan(request(args))
    jobs = without_idle(plan.jobs, args.results)
    engine, where, hardware = chosen(args)
    estimates = Estimates(args.results, hardware)
    print(
        *plan_lines(jobs, args.results, estimates, where, engine.places(), plan.left_out, plan.settings),
        sep="\n",
        flush=True,
    )
    if args.dry_run:
        return
    waiting = [job for job in jobs if job.record(args.results) is None]
    display = Display(len(jobs), len(jobs) - len(waiting), estimates, engine.places())
    try:
        failures = Schedule(waiting, engine, args.results.resolve(), display).run()
    finally:
        display.close()
        engine.close()
        print(
            f"{display.here} runs done, {len(jobs) - len(waiting)} finished before, {display.elsewhere} by "
            "other processes",
            flush=True,
        )
    if failures:
        print(f"{len(failures)} failed:", *failure_lines(failures), sep="\n", flush=True)
        sys.exit(1)


def request(args: argparse.Namespace) -> "Request":
    """Return what ``args`` ask to plan."""
    from stlora_ext.sweep.request import Request

    extra = [
        text
        for option, path in (("results", args.results), ("data", args.data))
        if path.resolve() != parser().get_default(option)
        for text in (f"--{option}", shown(path))
    ]
    extra += ["--deterministic"] * args.deterministic + ["--cuda-graphs"] * args.cuda_graphs
    return Request(
        args.datasets,
        args.models,
        args.without,
        args.protocols,
        args.arms,
        given_settings(args),
        args.data.resolve(),
        args.compile,
        args.cuda_graphs,
        extra,
        list(dict.fromkeys(split for splits in args.splits for split in splits)),
    )


def shown(path: Path) -> str:
    """Return ``path`` as a process in the repository's root finds it."""
    path = path.resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


if __name__ == "__main__":
    command(main)
