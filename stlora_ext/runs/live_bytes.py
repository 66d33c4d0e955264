"""How many bytes the tensors take that are made in a block, at any moment of it."""

import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class LiveBytes(TorchDispatchMode):
    """Counts the storages that operations create in its ``with`` block, each once and as long as it lives.

    It sees all that goes through torch's dispatcher, on any device: temporaries, and what hand-written backward passes
    keep. It doesn't see what a kernel takes within itself, nor what NumPy makes.

    Attributes:
        now: Bytes that live.
        peak: Most of them since ``restart``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._live: dict[int, weakref.finalize] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # it would import torch's compiler, a second, to keep out of what it compiles

    def restart(self) -> None:
        """Measure the peak from now on."""
        self.peak = self.now

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = {storage._cdata for storage in _storages((args, *(kwargs or {}).values()))}
        for storage in _storages((result,)):  # a view's is its base's, an operation in place has its argument's
            if storage._cdata not in given and storage._cdata not in self._live:
                end = weakref.finalize(storage, self._freed, storage._cdata, storage.nbytes())
                end.atexit = False
                self._live[storage._cdata] = end
                self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        return result

    def _freed(self, key: int, size: int) -> None:
        del self._live[key]
        self.now -= size


def _storages(values: Iterable[Any]) -> Iterator[torch.UntypedStorage]:
    for value in values:
        if isinstance(value, torch.Tensor):
            if value.layout == torch.strided:
                yield value.untyped_storage()
        elif isinstance(value, (list, tuple)):
            yield from _storages(value)
