"""Time of an update under protocol stream: the adapter's, the control's, and that of every weight of the backbone.

    python benchmarks/stream.py                     six backbones at 170 nodes
    python benchmarks/stream.py --models LSTM STID --nodes 883 --set stream.steps=50

The three arms take turns in one process, on simulated data and an untrained backbone: weights don't change the time.
An update is that of the run, 20 steps of Adam on windows of 14 days unless told otherwise. The frozen backbone's
forecasts of these windows are there already, from the periods before. Bytes are what the next update goes on from:
weights and Adam's moments.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from entry import Parser, command

from benchmarks.measuring import add_options, in_turn, keep
from stlora_ext.cli import positive
from stlora_ext.options import add_set
from stlora_ext.threads import apply_tuning, set_threads

MODELS = ("LSTM", "STGCN", "STID", "AGCRN", "STAE", "D2STGNN")
ARMS = ("plus", "control", "finetune")
DAYS = 30  # 60 % of them train: the memory of the first update is there
COLUMNS = [
    ["model", "Model", "{}"],
    ["plus", "Plus, s", "{:.3f}"],
    ["control", "Control, s", "{:.3f}"],
    ["finetune", "Finetune, s", "{:.3f}"],
    ["share", "Plus / finetune", "{:.3f}"],
    ["share_low", "quartiles", "{:.3f}"],
    ["share_high", "", "{:.3f}"],
    ["plus_kilobytes", "Plus, kB", "{:,.0f}"],
    ["finetune_kilobytes", "Finetune, kB", "{:,.0f}"],
]


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = Parser(prog="benchmarks/stream.py", description=__doc__)
    p.add_argument("--models", nargs="+", default=list(MODELS), metavar="NAME", help="trained backbones")
    p.add_argument("--nodes", type=positive, default=170, metavar="N", help="sensors (default: 170)")
    p.add_argument("--rounds", type=positive, default=5, metavar="R", help="updates of each arm (default: 5)")
    add_set(p, "settings of the stream or the adapter, for example stream.steps=50")
    add_options(p)
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    set_threads(args.threads)
    from stlora_ext.fields import parse_assignments
    from stlora_ext.host.devices import use_device
    from stlora_ext.host.logs import quiet_host_loggers

    quiet_host_loggers()
    use_device(None)
    settings = parse_assignments(args.assignments)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        data = simulated(args.nodes, Path(folder))
        for name in args.models:
            print(f"{name} ...", file=sys.stderr, flush=True)
            rows.append(measure(name, settings, data, args.rounds))
    keep(COLUMNS, rows, args.out, nodes=args.nodes, rounds=args.rounds, settings=settings)


def simulated(nodes: int, folder: Path) -> Path:
    """Simulate a data set called STREAM, and return the folder of data."""
    import subprocess

    from stlora_ext.folders import ROOT

    size = ["--nodes", str(nodes), "--days", str(DAYS), "--data", str(folder)]
    simulate = [sys.executable, str(ROOT / "datasets" / "simulate.py"), "STREAM", *size]
    subprocess.run(simulate, check=True, stdout=subprocess.DEVNULL)
    return folder


def measure(name: str, settings: dict[str, Any], data: Path, rounds: int) -> dict[str, Any]:
    """Return the seconds and bytes of an update of each arm of one backbone."""
    updates: dict[str, Callable[[], None]] = {}
    size: dict[str, int] = {}
    for arm in ARMS:
        updates[arm], size[arm] = prepared(name, arm, settings, data)
    times = in_turn(updates, rounds)
    ratios = [plus / finetune for plus, finetune in zip(times["plus"], times["finetune"], strict=True)]
    quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return {
        "model": name,
        **{arm: statistics.median(seconds) for arm, seconds in times.items()},
        "share": statistics.median(ratios),
        "share_low": quartiles[0],
        "share_high": quartiles[2],
        "plus_kilobytes": size["plus"] / 1000,
        "finetune_kilobytes": size["finetune"] / 1000,
    }


def prepared(name: str, arm: str, settings: dict[str, Any], data: Path) -> tuple[Callable[[], None], int]:
    """Return what does the next update of an arm, and the bytes that it leaves."""
    from stlora_ext.config.experiment import experiment
    from stlora_ext.data.prepared import load_meta
    from stlora_ext.runs.backbone import run_config
    from stlora_ext.runs.build import runner_class, settled
    from stlora_ext.runs.options import RunOptions

    meta = load_meta(data, "STREAM")
    exp = experiment("STREAM", f"{name}+").override(settings).with_protocol("stream").with_arm(arm)
    exp = settled(replace(exp, backbone_from=str(untrained(exp, meta, data))), meta, data)
    work = Path(tempfile.mkdtemp(dir=data))
    runner = runner_class(exp)(run_config(exp, meta, 0, RunOptions(data), work))
    runner.start()
    runner.open_series()
    runner.recent = runner.forecasts_from(0)
    first, done = runner.test + runner.series.input_len, [0]
    if runner.recent is not None:
        runner.recent.extend(first)

    def update() -> None:
        runner.update_model(done[0], first)
        done[0] += 1

    updated = [p for p in runner.model.parameters() if p.requires_grad]
    return update, 3 * sum(p.numel() * p.element_size() for p in updated)


def untrained(exp: Any, meta: Any, data: Path) -> Path:
    """Return a checkpoint of the backbone with fresh weights, written once."""
    import torch

    from stlora_ext.host.checkpoint import save_checkpoint
    from stlora_ext.runs.build import build_model

    path = data / f"{exp.backbone.name}.pt"
    if not path.exists():
        torch.manual_seed(0)
        model = build_model(exp.trained(), meta, data)
        stats = {"mean": torch.tensor(200.0), "std": torch.tensor(100.0)}
        save_checkpoint({"model_state_dict": model.state_dict(), "scaler_stats": stats}, path)
    return path


if __name__ == "__main__":
    if "-h" not in sys.argv:
        apply_tuning()
    command(main)
