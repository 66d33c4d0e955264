"""Operations of the backbones on a CPU: PyTorch's own beside what takes their place here, in alternation.

python benchmarks/operations.py
python benchmarks/operations.py --rounds 30 --out operations.json
"""

import argparse
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from entry import Parser, command

from benchmarks.measuring import add_options, in_turn, keep
from stlora_ext.cli import positive
from stlora_ext.threads import apply_tuning, set_threads

COLUMNS = [
    ["operation", "Operation", "{}"],
    ["torch_ms", "PyTorch, ms", "{:.1f}"],
    ["ours_ms", "Ours, ms", "{:.1f}"],
    ["ratio", "PyTorch / ours", "{:.2f}"],
]
LINEAR = {"STAE": (32640, 152, 456), "STGCN": (108800, 64, 48), "GWNet": (10880, 256, 512)}  # rows, in, out


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = Parser(prog="benchmarks/operations.py", description=__doc__)
    p.add_argument("--rounds", type=positive, default=15, metavar="R", help="timed rounds")
    add_options(p)
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    set_threads(args.threads)
    rows = []
    for name, pair in pairs().items():
        times = in_turn(dict(zip(("torch", "ours"), pair, strict=True)), args.rounds)
        theirs, ours = (1e3 * statistics.median(seconds) for seconds in times.values())
        rows.append(
            {
                "operation": name,
                "torch_ms": theirs,
                "ours_ms": ours,
                "times": times,
                "ratio": statistics.median(one / other for one, other in zip(*times.values(), strict=True)),
            }
        )
    keep(COLUMNS, rows, args.out)


def pairs() -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """Return PyTorch's operation and ours by name."""
    import torch
    import torch.nn.functional as F

    from baselines.activations import tanh_
    from baselines.dropout import Dropout
    from baselines.LSTM.arch.recurrence import column_blocks
    from baselines.products import linear
    from baselines.STGCN.arch.gated_convolution import weight_gradients

    result = {}
    for model, (rows, width, out) in LINEAR.items():
        layer = torch.randn(rows, width), torch.randn(out, width), torch.randn(out)
        result[f"linear layer {rows:,} x {width} to {out} ({model})"] = (
            lambda layer=layer: F.linear(*layer),
            lambda layer=layer: linear(*layer),
        )
    x, weight, grad = torch.randn(64, 8, 170, 64), torch.randn(128, 64, 3, 1), torch.randn(64, 6, 170, 128)
    result["gradient of a temporal convolution's weight (STGCN)"] = (
        lambda: torch.ops.aten.convolution_backward(
            grad.permute(0, 3, 1, 2),
            x.permute(0, 3, 1, 2),
            weight,
            [128],
            (1, 1),
            (0, 0),
            (1, 1),
            False,
            (0, 0),
            1,
            (False, True, True),
        ),
        lambda: weight_gradients(x, grad, 3),
    )
    gates, blocks = torch.randn(256, 97), column_blocks(4096)
    columns, in_blocks = torch.randn(97, 4096), torch.randn(blocks, 97, 4096 // blocks)
    result["256 x 97 times 97 x 4,096 (LSTM)"] = (
        lambda: gates @ columns,
        lambda: torch.bmm(gates.expand(blocks, -1, -1), in_blocks),
    )
    tokens, dropout = torch.randn(16, 2040, 152), Dropout(0.1)
    result["dropout (STAE)"] = (lambda: F.dropout(tokens, 0.1), lambda: dropout(tokens))
    gate = torch.randn(170, 64, 64)
    result["tanh in place (AGCRN)"] = (lambda: gate.tanh_(), lambda: tanh_(gate))
    return result


if __name__ == "__main__":
    apply_tuning()
    command(main)
