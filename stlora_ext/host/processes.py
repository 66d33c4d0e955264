"""The processes that train one model together, as one of them sees them."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist

Told = TypeVar("Told")
_LOOPBACK = {"linux": "lo", "darwin": "lo0"}
_FOR_EVER = timedelta(days=365)  # the others wait while the main process validates, however long that takes


@dataclass
class Processes:
    """The processes of a run; by default this one alone.

    Attributes:
        rank: Which of them this is; 0 is the main process, which alone evaluates and writes.
        count: How many there are.
        idle: Whether this one runs a window that isn't its own now, for want of one, and so counts for nothing.
    """

    rank: int = 0
    count: int = 1
    idle: bool = False

    @property
    def main(self) -> bool:
        """Whether this is the main process."""
        return self.rank == 0

    @property
    def purpose(self) -> tuple[int, ...]:
        """What a seed of this process's own random numbers is derived from besides; the main one's has nothing more."""
        return () if self.main else (self.rank,)

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the sum of a tensor over all processes, in its place."""
        if self.count > 1:
            dist.all_reduce(tensor)
        return tensor

    def told(self, value: Told) -> Told:
        """Return the main process's value."""
        if self.count == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]


@contextmanager
def connected(store: dist.Store, rank: int, count: int, device: torch.device) -> Iterator[Processes]:
    """Join the processes of a run, within the ``with`` block.

    Args:
        store: Where they meet.
        rank: Which of them this is.
        count: How many there are.
        device: Where this one trains; the CPUs speak through gloo, GPUs through NCCL.
    """
    on_gpu = device.type == "cuda"
    if sys.platform in _LOOPBACK:  # all on this machine, whatever its name resolves to
        os.environ.setdefault("GLOO_SOCKET_IFNAME", _LOOPBACK[sys.platform])
    dist.init_process_group(
        "nccl" if on_gpu else "gloo",
        store=store,
        rank=rank,
        world_size=count,
        timeout=_FOR_EVER,
        device_id=device if on_gpu else None,
    )
    try:
        yield Processes(rank, count)
    finally:
        dist.destroy_process_group()
