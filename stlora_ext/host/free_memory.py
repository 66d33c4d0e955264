"""How much memory this process can still take: of the machine, of its control group, of its own limit, or of a GPU."""

import resource
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

# A memory controller's folder, and its files with the limit, the use, and the part of it that is cached files.
_VERSIONS = {
    "memory": ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
    "": ("sys/fs/cgroup", "memory.max", "memory.current", ""),
}


def free_bytes(device: torch.device) -> int:
    """Return how much memory of ``device`` is free for this process; on the CPU, by its tightest limit."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        return torch.cuda.mem_get_info(device)[0]
    return max(0, min((psutil.virtual_memory().available, *_limits())))


def _limits() -> Iterator[int]:
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)  # ulimit -v
    if soft != resource.RLIM_INFINITY:
        yield soft - psutil.Process().memory_info().vms
    yield from group_rooms()


def group_rooms(root: Path = Path("/")) -> Iterator[int]:
    """Yield what is left of every limit that a control group sets to this process's memory, as containers have them.

    Args:
        root: Where ``proc`` and ``sys`` lie.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller, (base, limit, usage, prefix) in _VERSIONS.items():
            if controller not in controllers.split(","):
                continue
            inner = Path(path.lstrip("/"))  # within a container, it may be the path outside, which isn't there
            for folder in (inner, *inner.parents):
                room = _room(root / base / folder, limit, usage, prefix)
                if room is not None:
                    yield room


def _room(group: Path, limit: str, usage: str, prefix: str) -> int | None:
    try:
        bound, used, stat = (
            (group / name).read_text(encoding="utf-8").split() for name in (limit, usage, "memory.stat")
        )
    except OSError:  # no such group
        return None
    kinds = dict(zip(stat[::2], map(int, stat[1::2]), strict=True))
    cached = sum(kinds.get(f"{prefix}{kind}_file", 0) for kind in ("active", "inactive"))
    return None if bound == ["max"] else int(*bound) - int(*used) + cached
