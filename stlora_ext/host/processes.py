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
_INTERFACE, _LOOPBACK = "GLOO_SOCKET_IFNAME", {"linux": "lo", "darwin": "lo0"}
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
    with _on_this_machine():
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


@contextmanager
def _on_this_machine() -> Iterator[None]:
    """Let gloo connect processes of this machine, whatever address its name has; what the user has set wins."""
    if _INTERFACE in os.environ or sys.platform not in _LOOPBACK:
        yield
        return
    os.environ[_INTERFACE] = _LOOPBACK[sys.platform]
    try:
        yield
    finally:
        del os.environ[_INTERFACE]
