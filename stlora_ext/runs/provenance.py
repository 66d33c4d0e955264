"""Where a result comes from: versions, kind of hardware, threads, commit. No host name, no path."""

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from stlora_ext.numerics import NUMERICS
from stlora_ext.runs.options import RunOptions

_PACKAGES = ("torch", "basicts", "easy-torch", "numpy", "scipy", "scikit-learn")
COMMIT_VARIABLE = "STLORA_GIT_COMMIT"
_ROOT = Path(__file__).resolve().parents[2]


def provenance(options: RunOptions) -> dict[str, Any]:
    """Describe this process, which begins to work on a run.

    Args:
        options: How the run is executed.

    Returns:
        dict: Versions, hardware, threads, commit, arithmetic, and under ``varies`` what isn't the same to the bit when
        the run is repeated on the same machine with as many threads.
    """
    varies = ["seconds"]
    if options.gpus and not options.deterministic:
        varies.append(
            "scores and weights, by rounding: the GPU's libraries choose algorithms by their time, and some "
            "add in no fixed order (--deterministic)"
        )
    return {
        "versions": _versions(),
        "hardware": hardware(options.device),
        "threads": torch.get_num_threads(),
        "git_commit": git_commit(),
        "numerics": NUMERICS,
        "deterministic": options.deterministic or not options.gpus,
        "varies": varies,
        "compiled": options.compiled,
        "cuda_graphs": options.cuda_graphs,
        **({} if len(options.devices) == 1 else {"data_parallel": len(options.devices)}),
        **({} if options.num_parts == 1 else {"parts": options.num_parts}),
    }


def git_commit(root: Path = _ROOT) -> str | None:
    """Return the commit checked out at ``root``, with "+changes" if tracked files differ.

    Outside git: what the environment variable ``COMMIT_VARIABLE`` says, which a cluster's workers are given; else None.
    """

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=20
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != root:
            return os.environ.get(COMMIT_VARIABLE)
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return os.environ.get(COMMIT_VARIABLE)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def hardware(device: torch.device) -> str:
    """Return the kind of hardware behind ``device``: the GPU's or the CPU's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        model = None
    return f"CPU {model.group(1).strip() if model else platform.machine()}"
