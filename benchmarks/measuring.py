"""What benchmarks share: options, seconds of calls, and numbers as a file and as the table that is printed."""

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stlora_ext.cli import positive

SQUARE = 2048  # side of the matrices whose product says how fast a machine is


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every benchmark has."""
    parser.add_argument("--threads", type=positive, metavar="T", help="CPU threads (default: torch's choice)")
    parser.add_argument("--out", type=Path, metavar="JSON", help="where to keep the numbers")


def timed(run: Callable[[], Any], device: Any = None) -> float:
    """Return the seconds of one call of ``run``, with what it started on a GPU ``device``."""
    import torch

    started = time.perf_counter()
    run()
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def in_turn(runs: Mapping[str, Callable[[], Any]], rounds: int, device: Any = None) -> dict[str, list[float]]:
    """Return the seconds of every run, by name, in ``rounds`` rounds of one after the other, after one to warm up."""
    times = [{name: timed(run, device) for name, run in runs.items()} for _ in range(rounds + 1)][1:]
    return {name: [each[name] for each in times] for name in runs}


def square_product(device: Any = None) -> Callable[[], Any]:
    """Return a float32 matrix product to be timed."""
    import torch

    square = torch.randn(SQUARE, SQUARE, device=device)
    return lambda: square @ square


def square_gflops(seconds: float) -> float:
    """Return c, the GFLOP/s of :func:`square_product`."""
    return 2 * SQUARE**3 / seconds / 1e9


def keep(columns: list[list[str]], rows: list[dict[str, Any]], out: Path | None, **more: Any) -> None:
    """Print the table of ``rows``; write them to ``out``, if that is given, with the machine and the commit.

    Args:
        columns: ``[key, heading, format]`` of every column.
        rows: Numbers by key.
        out: The JSON file.
        more: What else belongs into the file.
    """

    from stlora_ext.files import write_json
    from stlora_ext.runs.options import RunOptions
    from stlora_ext.runs.provenance import git_commit, provenance
    from stlora_ext.tables import markdown
    from stlora_ext.tables.benchmark import benchmark_table

    machine = provenance(RunOptions())
    with tempfile.TemporaryDirectory() as folder:
        path = out or Path(folder, "numbers.json")
        write_json(
            path,
            {
                "git_commit": git_commit(),
                "columns": columns,
                "rows": rows,
                **more,
                "hardware": machine["hardware"],
                "threads": machine["threads"],
            },
        )
        print(markdown.render([benchmark_table(path)]), end="")
