"""Seconds of one call, and a benchmark's figures as a record and as the table that it prints."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional


def timed(run: Callable[[], Any], device: Any = None) -> float:
    """Return the seconds of one call of ``run``, with what it started on a GPU ``device``."""
    import torch
    started = time.perf_counter()
    run()
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def keep(columns: list[list[str]], rows: list[dict[str, Any]], out: Optional[Path], **more: Any) -> None:
    """Print the table of ``rows``; write them to ``out``, if that is given, with the machine and the commit.

    Args:
        columns: ``[key, heading, format]`` of every column.
        rows: Figures by key.
        out: The JSON file.
        more: What else belongs into the file.
    """
    import torch

    from stlora_ext.files import write_json
    from stlora_ext.records.provenance import git_commit, provenance
    from stlora_ext.tables.benchmark import render_benchmark
    machine = provenance(torch.device("cpu"), None)
    with tempfile.TemporaryDirectory() as folder:
        path = out or Path(folder, "figures.json")
        write_json(path, {"git_commit": git_commit(), "columns": columns, "rows": rows, **more,
                          "hardware": machine["hardware"], "threads": machine["threads"]})
        print(render_benchmark(path), end="")
