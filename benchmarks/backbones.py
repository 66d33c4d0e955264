"""Time and memory of one training step (forward, backward, Adam) of every backbone, base and "+".

    python benchmarks/backbones.py                          170 nodes, and growth over 50, 170, 307, 883
    python benchmarks/backbones.py --models AGCRN --nodes 170
    python benchmarks/backbones.py --models STAE D2STGNN --batch 8     the published batch of large networks
    python benchmarks/backbones.py --gpus 0 --out backbones.json

Each backbone runs in a process of its own, base and "+" in alternation, with a 2048 x 2048 float32 matrix product
between the steps: c, its GFLOP/s, makes times of different machines comparable (seconds x c).
"""

import argparse
import itertools
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from entry import Parser, command

from benchmarks.measuring import add_options, in_turn, square_gflops, square_product, timed
from stlora_ext.cli import gpus, positive
from stlora_ext.errors import UserError
from stlora_ext.threads import apply_tuning, set_threads

GROWTH = (50, 170, 307, 883)
CEILINGS = {"AGCRN": (64, 195), "STGCN": (64, 44), "GWNet": (64, 230), "D2STGNN": (64, 352), "STAE": (16, 344)}
DEFAULT_BATCH = 64
COLUMNS = [
    ["model", "Model", "{}"],
    ["nodes", "Nodes", "{}"],
    ["batch", "Batch", "{}"],
    ["seconds", "Step, s", "{:.2f}"],
    ["c", "c, GFLOP/s", "{:.0f}"],
    ["product", "Step, s x c", "{:.0f}"],
    ["ceiling_percent", "Share of c, %", "{:.0f}"],
    ["peak_mib", "Memory, MiB", "{:,.0f}"],
    ["parameters", "Parameters", "{:,}"],
    ["plus_parameters_percent", '"+" adds, %', "{:+.1f}"],
    ["plus_percent", '"+" takes longer by, %', "{:+.1f}"],
]
GPU_COLUMNS = [
    *([key, heading, "{:.4f}" if key == "seconds" else form] for key, heading, form in COLUMNS),
    ["recorded_seconds", "As a CUDA graph, s", "{:.4f}"],
]


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = Parser(prog="benchmarks/backbones.py", description=__doc__)
    p.add_argument("--models", nargs="+", metavar="NAME", help="trained backbones (default: all)")
    p.add_argument("--nodes", type=positive, nargs="+", default=list(GROWTH), metavar="N", help="network sizes")
    p.add_argument("--steps", type=positive, default=7, metavar="S", help="timed steps at 170 nodes; 3 at other sizes")
    p.add_argument("--gpus", type=gpus, default="", metavar="N", help="number of the GPU; '' or none: CPU")
    p.add_argument("--batch", type=positive, metavar="B", help="windows (default: 64; STAE: 16)")
    add_options(p)
    p.add_argument("--worker", metavar="NAME", help=argparse.SUPPRESS)
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    set_threads(args.threads)
    if args.worker:
        for nodes in args.nodes:
            print(json.dumps(measure(args.worker, nodes, args)), flush=True)
        return
    from stlora_ext.config.backbones import BACKBONES
    from stlora_ext.config.registry import get_backbone
    from stlora_ext.files import write_json
    from stlora_ext.runs.provenance import git_commit

    trained = [name for name in BACKBONES if not get_backbone(name).fitted]
    names = args.models or trained
    for name in names:
        get_backbone(name)
        if name not in trained:
            raise UserError(f'--models {name}: expected one of {", ".join(trained)}, whose "+" is measured with it')
    print(
        f"{'model':10}{'N':>5}{'batch':>6}{'seconds':>9}{'spread':>8}{'c':>6}{'s x c':>7}{'limit':>6}{'ceiling':>9}"
        f"{'MiB':>7}{'+ seconds':>11}{'+ costs':>9}" + f"{'recorded':>10}" * bool(args.gpus)
    )
    rows, failed, commit = [], [], git_commit()  # before the record itself is a change
    # A CPU process's peak memory is that of its whole life: a process for each size there.
    processes = [args.nodes] if args.gpus else [[nodes] for nodes in args.nodes]
    for name, sizes in itertools.product(names, processes):
        worker = [sys.executable, __file__, "--worker", name, "--gpus", args.gpus, "--steps", str(args.steps)]
        worker += ["--nodes", *map(str, sizes)]
        for option, value in (("--threads", args.threads), ("--batch", args.batch)):
            worker += [option, str(value)] if value else []
        with subprocess.Popen(worker, stdout=subprocess.PIPE, text=True) as process:
            measured = len(rows)
            for line in process.stdout:
                if not line.startswith("{"):
                    continue
                rows.append(json.loads(line))
                print(row_line(rows[-1]), flush=True)
                if args.out:
                    columns = GPU_COLUMNS if args.gpus else COLUMNS
                    write_json(args.out, {"git_commit": commit, "columns": columns, "rows": rows})
        if process.returncode:
            for nodes in sizes[len(rows) - measured :]:
                print(f"{name:10}{nodes:5} failed (exit code {process.returncode})", flush=True)
                failed.append(f"{name} at {nodes} nodes")
    if failed:
        raise UserError(f"{', '.join(failed)}: failed as said above; where memory was short, use a smaller --batch")


def row_line(row: dict[str, Any]) -> str:
    """Return what is printed of a measurement."""
    name, batch, on_gpu = row["model"], row["batch"], "recorded_seconds" in row
    limited = name in CEILINGS and (row["nodes"], batch) == (170, CEILINGS[name][0]) and not on_gpu
    return (
        f"{name:10}{row['nodes']:5}{batch:6}{row['seconds']:9.3f}{row['spread']:8.3f}{row['c']:6.0f}"
        f"{row['product']:7.1f}{CEILINGS[name][1] if limited else '':>6}{row['ceiling_percent']:8.0f}%"
        f"{row['peak_mib']:7.0f}{row['plus_seconds']:11.3f}{row['plus_percent']:+8.1f}%"
        + (f"{row['recorded_seconds']:10.4f}" if on_gpu else "")
    )


def measure(name: str, nodes: int, args: argparse.Namespace) -> dict[str, Any]:
    """Measure one backbone at one size, in this process."""
    import torch

    from benchmarks.flops import count_flops
    from stlora_ext.host.devices import use_device
    from stlora_ext.runs.provenance import hardware

    use_device(args.gpus)
    device = torch.device("cuda", int(args.gpus)) if args.gpus else torch.device("cpu")
    batch = args.batch or CEILINGS.get(name, (DEFAULT_BATCH,))[0]
    with tempfile.TemporaryDirectory() as folder:
        models = {model: build(model, nodes, Path(folder)).to(device) for model in (name, f"{name}+")}
    inputs, stamps = torch.randn(batch, 12, nodes, device=device), torch.rand(batch, 12, 2, device=device)
    targets = torch.randn(batch, 12, nodes, device=device)
    step = {model: training_step(module, inputs, stamps, targets) for model, module in models.items()}
    flops = count_flops(models[name], step[name], batch, nodes, inputs.shape[1])
    if args.gpus:
        torch.cuda.reset_peak_memory_stats(device)
    times = in_turn(
        {**step, "product": square_product(device)}, args.steps if nodes == 170 else min(args.steps, 3), device
    )
    peak = (
        torch.cuda.max_memory_allocated(device) / 2**20
        if args.gpus
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    )
    if args.gpus:
        recorded = training_step(models[name], inputs, stamps, targets, recorded=True)
        times["recorded"] = [timed(recorded, device) for _ in range(len(times[name]) + 2)][2:]
    median = {model: statistics.median(values) for model, values in times.items()}
    parameters, with_adapter = (sum(p.numel() for p in module.parameters()) for module in models.values())
    c = square_gflops(median["product"])
    quartiles = statistics.quantiles(times[name], n=4) if len(times[name]) > 1 else [median[name]] * 3
    return {
        "model": name,
        "nodes": nodes,
        "batch": batch,
        "seconds": median[name],
        "c": c,
        "product": median[name] * c,
        "spread": quartiles[2] - quartiles[0],
        "ceiling_percent": 100 * flops / 1e9 / (median[name] * c),
        "peak_mib": peak,
        "parameters": parameters,
        "plus_parameters_percent": 100 * (with_adapter / parameters - 1),
        "plus_seconds": median[f"{name}+"],
        "plus_percent": 100 * (median[f"{name}+"] / median[name] - 1),
        "times": times,
        **({"recorded_seconds": median["recorded"]} if args.gpus else {}),
        "hardware": hardware(device),
        "threads": torch.get_num_threads(),
    }


def build(name: str, nodes: int, folder: Path) -> Any:
    """Build a model on a sparse ring-like graph of ``nodes``; ``folder`` receives the graph."""
    import numpy as np

    from stlora_ext.config.experiment import experiment
    from stlora_ext.data.prepared import Meta
    from stlora_ext.runs.build import build_model

    source, target = edges(nodes)
    (folder / "BENCHMARK").mkdir(exist_ok=True)
    np.savez(
        folder / "BENCHMARK" / "graph.npz", num_nodes=nodes, source=source, target=target, weight=np.ones(len(source))
    )
    meta = Meta("BENCHMARK", 0, nodes, 5, 288, "2024-01-01", 0.0, 12, 12, {}, [], True, "")
    return build_model(experiment("BENCHMARK", name), meta, folder)


def edges(nodes: int) -> tuple[Any, Any]:
    """Return sources and targets of the ring-like graph, two edges a node."""
    import numpy as np

    source = np.arange(nodes)
    return np.concatenate([source, source]), np.concatenate([(source + 1) % nodes, (source * 7 + 3) % nodes])


def training_step(model: Any, inputs: Any, stamps: Any, targets: Any, recorded: bool = False) -> Callable[[], None]:
    """Return a training step of ``model`` on one batch: forward, backward, Adam; ``recorded``: all but Adam as a CUDA
    graph."""
    import torch

    from stlora_ext.host.cuda_graphs import RecordedSteps
    from stlora_ext.lora.model import forward_names

    times = ["inputs_timestamps"] * ("inputs_timestamps" in forward_names(model))
    batch = {"inputs": inputs, **dict.fromkeys(times, stamps)}
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

    def passes(batch: Any) -> Any:
        loss = (model(batch["inputs"], **{name: batch[name] for name in times}) - targets).abs().mean()
        loss.backward()
        return loss.detach()

    run = RecordedSteps(passes, list(model.parameters())) if recorded else passes

    def step() -> None:
        run(batch)
        optimizer.step()
        optimizer.zero_grad()

    return step


if __name__ == "__main__":
    if "--worker" in sys.argv or "-h" not in sys.argv:
        apply_tuning()
    command(main)
