"""A training step of our backbones beside one of other implementations, such as the published ones, in alternation.

    python benchmarks/reference.py STGCN=theirs/stgcn.py
    python benchmarks/reference.py AGCRN=theirs/agcrn.py GWNet=theirs/gwnet.py --rounds 5 --out reference.json

A file defines build(num_nodes, adjacency): the adjacency is a NumPy array [N, N], the result a torch module that maps
[B, 12, N, 3] (value, time of day, day of week / 7) to [B, 12, N] or [B, 12, N, 1]. A step is forward, backward and
Adam, as in benchmarks/backbones.py. None of these files is part of this repository.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from entry import Parser, command

from benchmarks.backbones import CEILINGS, DEFAULT_BATCH, build, edges, training_step
from benchmarks.measuring import add_options, in_turn, keep, square_gflops, square_product
from stlora_ext.cli import positive
from stlora_ext.errors import UserError
from stlora_ext.threads import apply_tuning, set_threads

COLUMNS = [
    ["model", "Model", "{}"],
    ["nodes", "Nodes", "{}"],
    ["batch", "Batch", "{}"],
    ["c", "c, GFLOP/s", "{:.0f}"],
    ["theirs", "Theirs, s", "{:.2f}"],
    ["ours", "Ours, s", "{:.2f}"],
    ["theirs_product", "Theirs, s x c", "{:.0f}"],
    ["ours_product", "Ours, s x c", "{:.0f}"],
    ["share", "Ours / theirs", "{:.2f}"],
]


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = Parser(prog="benchmarks/reference.py", description=__doc__)
    p.add_argument("pairs", nargs="+", metavar="NAME=FILE", help="a trained backbone and the other one's file")
    p.add_argument("--nodes", type=positive, default=170, metavar="N", help="network size (default: 170)")
    p.add_argument("--batch", type=positive, metavar="B", help="windows (default: 64; STAE: 16)")
    p.add_argument("--rounds", type=positive, default=5, metavar="R", help="timed rounds")
    add_options(p)
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    set_threads(args.threads)
    builders = [(name, builder_of(file)) for name, file in map(split, args.pairs)]
    rows = [measure(name, builder, args) for name, builder in builders]
    keep(COLUMNS, rows, args.out)


def split(pair: str) -> tuple[str, Path]:
    """Return the backbone and the file of ``NAME=FILE``.

    Raises:
        UserError: If it isn't one, or the backbone isn't trained.
    """
    from stlora_ext.config.registry import get_backbone

    name, sign, file = pair.partition("=")
    if not sign or not file:
        raise UserError(f"{pair}: expected NAME=FILE, such as STGCN=theirs/stgcn.py")
    if name.endswith("+") or get_backbone(name).fitted:
        raise UserError(f'{name}: expected a trained backbone without "+", such as STGCN')
    return name, Path(file)


def builder_of(file: Path) -> Callable[[int, Any], Any]:
    """Return the function ``build`` of a Python file.

    Raises:
        UserError: If there is none.
    """
    from stlora_ext.config.user_file import run_file

    if not file.is_file():
        raise UserError(f"{file} does not exist: expected a Python file with build(num_nodes, adjacency)")
    builder = run_file(file, str(file), "build(num_nodes, adjacency)").get("build")
    if not callable(builder):
        raise UserError(f"{file}: expected a function build(num_nodes, adjacency)")
    return builder


def measure(name: str, builder: Callable[[int, Any], Any], args: argparse.Namespace) -> dict[str, Any]:
    """Measure one backbone of both sides.

    Raises:
        UserError: If the other one fails or forecasts another shape than ours.
    """
    import numpy as np
    import torch

    batch, nodes = args.batch or CEILINGS.get(name, (DEFAULT_BATCH,))[0], args.nodes
    adjacency = np.zeros((nodes, nodes), dtype=np.float32)
    adjacency[edges(nodes)] = 1
    inputs, targets = torch.randn(batch, 12, nodes), torch.randn(batch, 12, nodes)
    stamps = torch.rand(batch, 12, 2) * 0.99  # some truncate where we round: below the last time slot
    with tempfile.TemporaryDirectory() as folder:
        steps = {"ours": training_step(build(name, nodes, Path(folder)), inputs, stamps, targets)}
    try:
        theirs = channel_stack(builder(nodes, adjacency))
        shape = tuple(theirs(inputs, stamps).shape)
    except Exception as error:  # as above
        raise UserError(f"{name}: the other implementation fails: {type(error).__name__}: {error}") from error
    if shape != targets.shape:
        raise UserError(f"{name}: the other implementation forecasts {shape}, expected {tuple(targets.shape)}")
    steps["theirs"] = training_step(theirs, inputs, stamps, targets)
    times = in_turn({**steps, "product": square_product()}, args.rounds)
    median = {key: statistics.median(values) for key, values in times.items()}
    c = square_gflops(median["product"])
    share = statistics.median(ours / other for ours, other in zip(times["ours"], times["theirs"], strict=True))
    return {
        "model": name,
        "nodes": nodes,
        "batch": batch,
        "c": c,
        "theirs": median["theirs"],
        "ours": median["ours"],
        "theirs_product": median["theirs"] * c,
        "ours_product": median["ours"] * c,
        "share": share,
        "times": times,
    }


def channel_stack(model: Any) -> Any:
    """Return a module that gives ``model`` the readings and the times as channels, ``[B, L, N, 3]``."""
    import torch

    class ChannelStack(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, inputs: torch.Tensor, inputs_timestamps: torch.Tensor) -> torch.Tensor:
            times = inputs_timestamps.unsqueeze(2).expand(-1, -1, inputs.shape[2], -1)
            forecast = self.model(torch.cat([inputs.unsqueeze(3), times], dim=3))
            return forecast.squeeze(3) if forecast.dim() == 4 else forecast

    return ChannelStack()


if __name__ == "__main__":
    apply_tuning()
    command(main)
