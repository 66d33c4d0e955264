"""Training on a large network within a given memory: what is estimated, and what steps then take.

    python benchmarks/large.py                       AGCRN+, GWNet+, STGCN+, STID+; 2,000 sensors, 24 GiB
    python benchmarks/large.py --nodes 8600 --memory 64 --models STID+

Readings are simulated. Each model runs in a process of its own that can't have more memory than is said (ulimit -v,
beyond what it holds with everything imported). There the memory is estimated and the parts are chosen as run.py does;
then a few steps of training and one of evaluation are done by its runner.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from entry import Parser, command

from benchmarks.measuring import add_options, keep, timed
from stlora_ext.cli import positive
from stlora_ext.errors import UserError
from stlora_ext.folders import ROOT
from stlora_ext.threads import apply_tuning, set_threads

MODELS = ("AGCRN+", "GWNet+", "STGCN+", "STID+")
DATASET, NODES, DAYS = "LARGE", 2000, 4
GIB = 2**30
COLUMNS = [
    ["model", "Model", "{}"],
    ["nodes", "Nodes", "{:,}"],
    ["batch", "Batch", "{}"],
    ["parts", "Parts", "{}"],
    ["eval_batch", "Evaluated at once", "{}"],
    ["estimating", "Estimating, s", "{:.2f}"],
    ["estimate", "Estimate, GiB", "{:.2f}"],
    ["growth", "Taken, GiB", "{:.2f}"],
    ["process", "Whole process, GiB", "{:.2f}"],
    ["seconds", "Step, s", "{:.2f}"],
]


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = Parser(prog="benchmarks/large.py", description=__doc__)
    p.add_argument("--models", nargs="+", default=list(MODELS), metavar="NAME", help="trained models")
    p.add_argument("--nodes", type=positive, default=NODES, metavar="N", help=f"sensors (default: {NODES})")
    p.add_argument("--memory", type=positive, default=24, metavar="GIB", help="of each process (default: 24)")
    p.add_argument("--steps", type=positive, default=2, metavar="S", help="steps of each (default: 2)")
    add_options(p)
    p.add_argument("--worker", nargs=2, metavar=("NAME", "DATA"), help=argparse.SUPPRESS)
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    set_threads(args.threads)
    if args.worker:
        print(json.dumps(measure(*args.worker, args)))
        return
    from stlora_ext.config.registry import get_backbone

    for name in args.models:
        if get_backbone(name).fitted:
            raise UserError(f"--models {name}: expected models that are trained, such as {', '.join(MODELS)}")
    with tempfile.TemporaryDirectory() as folder:
        size = ["--nodes", str(args.nodes), "--days", str(DAYS), "--data", folder]
        simulator = [sys.executable, str(ROOT / "datasets" / "simulate.py"), DATASET, *size]
        if subprocess.run(simulator, check=False, stdout=subprocess.DEVNULL).returncode:
            raise UserError("datasets/simulate.py failed, see above")
        rows = [_in_a_process(name, folder, args) for name in args.models]
    keep(COLUMNS, rows, args.out, memory=args.memory, steps=args.steps)


def _in_a_process(name: str, data: str, args: argparse.Namespace) -> dict[str, Any]:
    print(f"{name} ...", file=sys.stderr, flush=True)
    words = ["--worker", name, data, "--memory", str(args.memory), "--steps", str(args.steps)]
    words += ["--threads", str(args.threads)] if args.threads else []
    done = subprocess.run([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise UserError(f"{name}: the measuring process ended with {done.returncode}, see above")
    return json.loads(done.stdout.splitlines()[-1])


# ---- the measuring process -----------------------------------------------------------------------------


class _Few:
    """The first batches of an epoch."""

    def __init__(self, batches: Any, count: int) -> None:
        self.batches, self.count = batches, min(count, len(batches))
        self.num_windows, self.output_len, self.split = batches.num_windows, batches.output_len, batches.split

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Any]:
        for _, batch in zip(range(self.count), self.batches, strict=False):
            yield batch


def measure(name: str, data: str, args: argparse.Namespace) -> dict[str, Any]:
    """Train and evaluate a model for a few steps, in this process."""
    import psutil

    from stlora_ext.config.experiment import experiment
    from stlora_ext.data.prepared import load_meta
    from stlora_ext.host.launcher import use_device
    from stlora_ext.host.logs import quiet_host_loggers
    from stlora_ext.runs.build import build_model, host_config, runner_class, settled
    from stlora_ext.runs.memory_plan import memory_plan
    from stlora_ext.runs.options import RunOptions

    quiet_host_loggers()
    use_device("")
    meta = load_meta(Path(data), DATASET)
    exp, options = settled(experiment(DATASET, name), meta, Path(data)), RunOptions(Path(data))
    before = _peak()
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + args.memory * GIB, -1))
    model = build_model(exp, meta, options.data)
    started = time.perf_counter()
    plan = memory_plan(model, exp, meta, options)
    estimating = time.perf_counter() - started
    del model
    print(plan.line, file=sys.stderr, flush=True)
    exp, options = plan.applied(exp, options)
    with tempfile.TemporaryDirectory() as run_dir:
        runner = runner_class(exp)(host_config(exp, meta, 0, options, Path(run_dir)))
        runner.num_epochs, runner.epoch, runner.start_epoch = 1, 1, 0
        runner.on_train_start()
        runner.on_epoch_start(1)
        runner.progress.begin(1, 1, args.steps)
        runner.train_data_loader = _Few(runner.train_data_loader, args.steps)
        seconds = timed(runner._train_epoch) / len(runner.train_data_loader)
        runner._evaluate(_Few(runner.val_data_loader, 1))
        runner.tensorboard_writer.close()
    return {
        "model": name,
        "nodes": meta.num_nodes,
        "batch": exp.training.batch_size,
        "parts": plan.parts,
        "eval_batch": plan.eval_batch_size,
        "estimating": estimating,
        "estimate": (plan.needed or 0) / GIB,
        "growth": (_peak() - before) / GIB,
        "process": _peak() / GIB,
        "seconds": seconds,
    }


def _peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    if "--worker" in sys.argv or "-h" not in sys.argv:
        apply_tuning()
    command(main)
