"""What an adapter costs: time and memory of its own training step over network sizes.

    python benchmarks/adapter.py                     170, 883 and 8,600 nodes
    python benchmarks/adapter.py --nodes 170 --set sharing=node rank=8
    python benchmarks/adapter.py --out adapter.json

Each size runs in a process of its own, so that the peak memory is its own. A step is forward, backward and Adam at
batch 64. benchmarks/on_top.py measures what it adds to a backbone's step.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from entry import Parser, command

from benchmarks.measuring import add_options, keep, timed
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
    keep(COLUMNS, rows, args.out, settings=json.loads(config.to_json()))


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


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if "--worker" in sys.argv or "-h" not in sys.argv:
        apply_tuning()
    command(main)
