"""What new sensors cost: time and memory of adding some to networks of several sizes.

    python benchmarks/new_sensors.py                 50 new sensors, 4 days of readings; 170, 883 and 8,600 known
    python benchmarks/new_sensors.py --nodes 883 --new 10 --days 14

As update.py --add-sensors does it: rows at the mean (expand_adapter), then the choice of the ridge on known sensors,
and the fit. Readings are simulated, every 5 minutes, of twice as many days of the known sensors; adapter and LSTM have
random weights. Each size runs in a process of its own, so that the peak memory is its own: what is taken beyond the
model and all readings.
"""

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from entry import Parser, command

from benchmarks.measuring import add_options, keep, timed
from stlora_ext.cli import positive
from stlora_ext.threads import apply_tuning, set_threads

SIZES = (170, 883, 8600)
STEPS_PER_DAY = 288
COLUMNS = [
    ["nodes", "Known sensors", "{:,}"],
    ["new", "New", "{:,}"],
    ["days", "Days", "{:g}"],
    ["expand", "Rows at the mean, s", "{:.3f}"],
    ["fit", "Ridge and fit, s", "{:.2f}"],
    ["peak_mib", "Memory beyond the model, MiB", "{:.0f}"],
    ["kilobytes", "File grows by, kB", "{:.1f}"],
]


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = Parser(prog="benchmarks/new_sensors.py", description=__doc__)
    p.add_argument("--nodes", type=positive, nargs="+", default=list(SIZES), metavar="N", help="network sizes")
    p.add_argument("--new", type=positive, default=50, metavar="M", help="new sensors (default: 50)")
    p.add_argument("--days", type=positive, default=4, metavar="D", help="days of their readings (default: 4)")
    add_options(p)
    p.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    set_threads(args.threads)
    if args.worker is not None:
        print(json.dumps(measure(args.worker, args.new, args.days)))
        return
    rows = []
    for nodes in args.nodes:
        print(f"{nodes:,} sensors ...", file=sys.stderr, flush=True)
        words = ["--worker", str(nodes), "--new", str(args.new), "--days", str(args.days)]
        words += ["--threads", str(args.threads)] if args.threads else []
        done = subprocess.run([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, check=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    keep(COLUMNS, rows, args.out)


def measure(nodes: int, new: int, days: int) -> dict[str, Any]:
    """Add sensors to a network of one size, in this process."""
    import tempfile

    import torch

    from benchmarks.backbones import build
    from stlora_ext.host.scaler import GlobalZScoreScaler
    from stlora_ext.lora.expand import expand_adapter
    from stlora_ext.lora.model import attach
    from stlora_ext.lora.settings import STLoRAConfig
    from stlora_ext.runs.new_rows import Rows, fit_new_rows

    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        model = attach(build("LSTM", nodes, Path(folder)), STLoRAConfig(), nodes).eval()
    model.freeze_backbone()
    with torch.no_grad():
        for parameter in model.adapter.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    values, stamps = simulated(nodes, new, days)
    scaler = GlobalZScoreScaler(False, True, 0.0, {"mean": torch.tensor(200.0), "std": torch.tensor(100.0)})
    names = [f"new {number}" for number in range(new)]
    few = slice(0, 30)
    fit_new_rows(Rows(model, scaler, values[few], stamps[few]), 0)  # what the first use of anything takes
    before = _peak_mib()
    expand = timed(lambda: expand_adapter(model, names))
    fit = timed(lambda: fit_new_rows(Rows(model, scaler, values, stamps), 0))
    return {
        "nodes": nodes,
        "new": new,
        "days": days,
        "expand": expand,
        "fit": fit,
        "peak_mib": _peak_mib() - before,
        "kilobytes": 4 * new * sum(rows[0].numel() for rows in model.adapter.per_node()) / 1000,
    }


def simulated(nodes: int, new: int, days: int) -> tuple[Any, Any]:
    """Return readings ``[rows, nodes + new]``, with nothing of the new sensors in the first half, and their times."""
    import numpy as np

    generator = np.random.default_rng(0)
    step = np.arange(2 * days * STEPS_PER_DAY)
    values = np.empty((len(step), nodes + new), dtype=np.float32)
    for sensor in range(nodes + new):
        level, phase = generator.uniform(50, 300), generator.uniform(0, 1)
        day = 1 - 0.6 * np.cos(2 * np.pi * (step / STEPS_PER_DAY + phase))
        values[:, sensor] = level * day + generator.normal(0, 20, len(step))
    values[: len(step) // 2, nodes:] = np.nan
    stamps = np.stack([step % STEPS_PER_DAY / STEPS_PER_DAY, step // STEPS_PER_DAY % 7 / 7], axis=1)
    return values, stamps.astype(np.float32)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if "--worker" in sys.argv or "-h" not in sys.argv:
        apply_tuning()
    command(main)
