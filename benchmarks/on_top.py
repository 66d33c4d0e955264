"""What an adapter adds to a backbone's training step, with the interval that tells it from the machine's scatter.

    python benchmarks/on_top.py                     four backbones at 170 nodes, batch 16, 200 pairs of steps each
    python benchmarks/on_top.py --models AGCRN --nodes 883 --pairs 50

A step without and one with adapter are neighbours, and every other pair begins with the adapter, so that a drift of the
machine's speed cancels. The interval is that of the median ratio, from the order of the ratios alone (SciPy's
quantile_test). A small batch makes pairs short and many; the adapter's fixed part weighs more in it.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from entry import Parser, command

from benchmarks.backbones import build, training_step
from benchmarks.measuring import add_options, keep, timed
from stlora_ext.cli import positive
from stlora_ext.threads import apply_tuning, set_threads

MODELS = ("AGCRN", "GWNet", "STAE", "D2STGNN")
CONFIDENCE = 0.95
COLUMNS = [
    ["model", "Model", "{}"],
    ["nodes", "Nodes", "{}"],
    ["batch", "Batch", "{}"],
    ["pairs", "Pairs", "{}"],
    ["seconds", "Step, s", "{:.3f}"],
    ["percent", '"+" takes longer by, %', "{:+.2f}"],
    ["low", "95 % interval, from", "{:+.2f}"],
    ["high", "to", "{:+.2f}"],
]


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = Parser(prog="benchmarks/on_top.py", description=__doc__)
    p.add_argument("--models", nargs="+", default=list(MODELS), metavar="NAME", help="trained backbones")
    p.add_argument("--nodes", type=positive, default=170, metavar="N", help="sensors (default: 170)")
    p.add_argument("--batch", type=positive, default=16, metavar="B", help="windows of a step (default: 16)")
    p.add_argument("--pairs", type=positive, default=200, metavar="P", help="pairs of steps (default: 200)")
    add_options(p)
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    set_threads(args.threads)
    rows = []
    for name in args.models:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows.append(measure(name, args.nodes, args.batch, args.pairs))
    keep(COLUMNS, rows, args.out)


def measure(name: str, nodes: int, batch: int, pairs: int) -> dict[str, Any]:
    """Return what the adapter of the benchmark adds to the step of one backbone."""
    import torch
    from scipy.stats import quantile_test

    inputs, stamps, targets = torch.randn(batch, 12, nodes), torch.rand(batch, 12, 2), torch.randn(batch, 12, nodes)
    with tempfile.TemporaryDirectory() as folder:
        models = [build(model, nodes, Path(folder)) for model in (name, f"{name}+")]
    steps = [training_step(model, inputs, stamps, targets) for model in models]
    for step in steps * 2:
        step()
    alone, ratios = [], []
    for pair in range(pairs):
        seconds = {arm: timed(steps[arm]) for arm in ((0, 1), (1, 0))[pair % 2]}
        alone.append(seconds[0])
        ratios.append(seconds[1] / seconds[0])
    interval = quantile_test(ratios, q=1.0, p=0.5).confidence_interval(CONFIDENCE)
    percent, low, high = (
        100 * (float(ratio) - 1) for ratio in (statistics.median(ratios), interval.low, interval.high)
    )
    return {
        "model": name,
        "nodes": nodes,
        "batch": batch,
        "pairs": pairs,
        "seconds": statistics.median(alone),
        "percent": percent,
        "low": low,
        "high": high,
    }


if __name__ == "__main__":
    if "-h" not in sys.argv:
        apply_tuning()
    command(main)
