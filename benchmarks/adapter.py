"""What an adapter costs: time and memory of its own training step over network sizes, and on top of a backbone's step.

    python benchmarks/adapter.py                     170, 883 and 8,600 nodes; and AGCRN's step at 170 nodes
    python benchmarks/adapter.py --nodes 170 --set sharing=node rank=8
    python benchmarks/adapter.py --out adapter.json

Each size runs in a process of its own, so that the peak memory is its own. A step is forward, backward and Adam at
batch 64. The backbone's steps without and with adapter alternate.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from entry import Parser, command

from benchmarks.measuring import add_options, in_turn, keep, timed
from stlora_ext.cli import positive
from stlora_ext.options import add_set
from stlora_ext.threads import apply_tuning, set_threads

SIZES = (170, 883, 8600)
BATCH = 64
COLUMNS = [
    ["nodes", "Nodes", "{:,}"],
    ["parameters", "Parameters", "{:,}"],
    ["kilobytes", "File, kB", "{:.1f}"],
    ["milliseconds", "Step, ms", "{:.1f}"],
    ["microseconds_per_node", "µs per node", "{:.1f}"],
    ["peak_mib", "Memory of a step, MiB", "{:.0f}"],
    ["kib_per_node", "KiB per node", "{:.0f}"],
]


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = Parser(prog="benchmarks/adapter.py", description=__doc__)
    p.add_argument("--nodes", type=positive, nargs="+", default=list(SIZES), metavar="N", help="network sizes")
    p.add_argument("--backbone", default="AGCRN", metavar="NAME", help="whose step the adapter is added to")
    p.add_argument("--steps", type=positive, default=15, metavar="S", help="timed steps")
    add_set(p, "settings of the adapter, for example sharing=node rank=8")
    add_options(p)
    p.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    set_threads(args.threads)
    from stlora_ext.fields import checked, parse_assignments
    from stlora_ext.lora.settings import STLoRAConfig

    config = STLoRAConfig(**checked(STLoRAConfig, parse_assignments(args.assignments), "adapter."))
    if args.worker is not None:
        print(json.dumps(alone(config, args.worker, args.steps)))
        return
    rows = []
    for nodes in args.nodes:
        print(f"{nodes:,} nodes ...", file=sys.stderr, flush=True)
        done = subprocess.run(
            [sys.executable, __file__, *_forwarded(args), "--worker", str(nodes)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    print(f"{args.backbone}'s step ...", file=sys.stderr, flush=True)
    added = on_top(config, args.backbone, args.steps)
    keep(COLUMNS, rows, args.out, settings=json.loads(config.to_json()), on_top=added)
    print(
        f"on {args.backbone} at 170 nodes, batch {added['batch']}: {added['seconds']:.3f} s without, "
        f"{added['plus_seconds']:.3f} s with adapter, {added['percent']:+.1f} % (quartiles of the ratio in pairs "
        f"{added['quartiles'][0]:+.1f} to {added['quartiles'][1]:+.1f} %)"
    )


def _forwarded(args: argparse.Namespace) -> list[str]:
    settings = ["--set", *args.assignments] if args.assignments else []
    return [*settings, "--steps", str(args.steps), *(["--threads", str(args.threads)] if args.threads else [])]


def alone(config: Any, nodes: int, steps: int) -> dict[str, Any]:
    """Measure the adapter's own training step at one size, in this process."""
    import torch

    from stlora_ext.lora.predictor import Predictor

    adapter = Predictor(config, nodes)
    x, target = torch.randn(BATCH, config.channels, nodes), torch.randn(BATCH, config.output_len, nodes)
    stamps = torch.rand(BATCH, 2)
    optimizer = torch.optim.Adam(adapter.parameters())
    before = _peak_mib()

    def step() -> None:
        (adapter(x, stamps) - target).abs().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    seconds = statistics.median(timed(step) for _ in range(steps))
    peak = _peak_mib() - before
    parameters = sum(p.numel() for p in adapter.parameters())
    return {
        "nodes": nodes,
        "parameters": parameters,
        "kilobytes": 4 * parameters / 1000,
        "milliseconds": 1e3 * seconds,
        "microseconds_per_node": 1e6 * seconds / nodes,
        "peak_mib": peak,
        "kib_per_node": 1024 * peak / nodes,
    }


def on_top(config: Any, name: str, steps: int) -> dict[str, Any]:
    """Measure a backbone's training step at 170 nodes without and with the adapter, in alternation."""
    import torch

    from benchmarks.backbones import CEILINGS, DEFAULT_BATCH, build, training_step
    from stlora_ext.lora.model import attach

    batch = CEILINGS.get(name, (DEFAULT_BATCH,))[0]
    inputs, stamps, targets = torch.randn(batch, 12, 170), torch.rand(batch, 12, 2), torch.randn(batch, 12, 170)
    with tempfile.TemporaryDirectory() as folder:
        models = [build(name, 170, Path(folder)), attach(build(name, 170, Path(folder)), config, 170)]
    without, together = (training_step(model, inputs, stamps, targets) for model in models)
    times = in_turn({"without": without, "together": together}, steps)
    ratios = [100 * (plus / base - 1) for base, plus in zip(*times.values(), strict=True)]
    quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    seconds, plus_seconds = map(statistics.median, times.values())
    return {
        "backbone": name,
        "batch": batch,
        "seconds": seconds,
        "plus_seconds": plus_seconds,
        "percent": statistics.median(ratios),
        "quartiles": [quartiles[0], quartiles[2]],
    }


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if "--worker" in sys.argv or "-h" not in sys.argv:
        apply_tuning()
    command(main)
