"""Training steps on a batch in parts: one after the other, shared out among processes, or both."""

import warnings
from collections.abc import Callable, Iterable
from contextlib import nullcontext

import torch
from basicts.runners.callback import BasicTSCallback
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from stlora_ext.host.batch_norm import batch_norms, synchronise
from stlora_ext.host.curriculum import HorizonCurriculum
from stlora_ext.host.processes import Processes
from stlora_ext.host.randomness import rng_state, set_rng_state

Batch = dict[str, torch.Tensor]
Loss = Callable[[Batch, torch.Tensor], torch.Tensor]


class SplitSteps:
    """Forward and backward passes on parts of a batch, whose gradients add up to that of the whole.

    Every process takes a share of the batch's windows, one after the other, and cuts it into parts. A part's loss is
    divided by the count of the whole batch's targets.

    Args:
        model: What is trained.
        loss: Returns the loss of a part, the sum of its errors divided by the count of targets that it is given.
        covered: Returns how many steps of a forecast the loss covers now; None: all.
        processes: The processes of the run.
        parts: Into how many parts a process cuts its share, where it has windows enough.
    """

    def __init__(
        self, model: nn.Module, loss: Loss, covered: Callable[[], int | None], processes: Processes, parts: int
    ) -> None:
        self._model, self._loss, self._covered = model, loss, covered
        self._processes, self._parts = processes, parts
        self._parallel: DistributedDataParallel | None = None
        if processes.count > 1:
            synchronise(model, processes)

    def prepare(self, batch: Batch) -> None:
        """Prepare the first step, in training mode, with any batch; it draws what the model draws in a step.

        All processes go on from the main process's weights.
        """
        if self._processes.count > 1 and self._parallel is None:
            unused = self._any_unused(batch)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated")  # torch 2.11 has no other name
                self._parallel = DistributedDataParallel(
                    _Passes(self._model, self._loss), broadcast_buffers=False, find_unused_parameters=unused
                )

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Run both passes and return the loss of the whole batch, the same in every process."""
        count = torch.count_nonzero(batch["targets_mask"][:, : self._covered()]).clamp_(min=1)
        pieces = pieces_of(len(batch["inputs"]), self._processes.rank, self._processes.count, self._parts)
        total = torch.zeros((), device=count.device)
        for number, piece in enumerate(pieces, start=1):
            part = _part(batch, piece)
            self._processes.idle = piece.start == piece.stop
            if self._parallel is None:
                loss = self._loss(part, count)
                loss.backward()
            else:
                with nullcontext() if number == len(pieces) else self._parallel.no_sync():
                    loss = self._parallel(part, count)
                    (loss * self._processes.count).backward()  # of the processes' gradients torch takes the mean
            total += loss.detach()
        return self._processes.sum(total)

    def _any_unused(self, batch: Batch) -> bool:
        """Whether the loss of a window reaches a trained parameter not at all, which torch has to be told."""
        trained = [parameter for parameter in self._model.parameters() if parameter.requires_grad]
        before, norms = rng_state(), batch_norms(self._model)
        for norm in norms:  # their averages stay what they are
            norm.eval()
        try:
            loss = self._loss(_part(batch, slice(0, 1)), torch.ones((), device=batch["inputs"].device))
            return any(gradient is None for gradient in torch.autograd.grad(loss, trained, allow_unused=True))
        finally:
            for norm in norms:
                norm.train()
            set_rng_state(before)


class _Passes(nn.Module):
    """A model called through its loss, as DistributedDataParallel wants it."""

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model, self._loss = model, loss

    def forward(self, batch: Batch, count: torch.Tensor) -> torch.Tensor:
        return self._loss(batch, count)


def pieces_of(windows: int, rank: int, count: int, parts: int) -> list[slice]:
    """Return the windows of each part of a process's share of a batch; at least one part, which may be empty.

    Every process gets the same number of parts, so that what all draw alike stays alike.

    Args:
        windows: Windows of the batch.
        rank: Which process it is.
        count: How many processes share the batch.
        parts: Into how many parts a share is cut, if the smallest share has windows enough.
    """
    begin, end = windows * rank // count, windows * (rank + 1) // count
    parts = max(1, min(parts, windows // count))
    ends = [begin + (end - begin) * part // parts for part in range(parts + 1)]
    return [slice(ends[part], ends[part + 1]) for part in range(parts)]


def _part(batch: Batch, piece: slice) -> Batch:
    """Return some windows of a batch; for none of them the first one, without a target."""
    if piece.start < piece.stop:
        return {name: tensor[piece] for name, tensor in batch.items()}
    part = {name: tensor[:1] for name, tensor in batch.items()}
    return {**part, "targets_mask": torch.zeros_like(part["targets_mask"])}


def changes_loss(callback: BasicTSCallback | type[BasicTSCallback]) -> bool:
    """Whether a callback acts within the passes of a step, in another way than by covering fewer steps."""
    kind = callback if isinstance(callback, type) else type(callback)
    acts = any(
        getattr(kind, hook, None) not in (None, getattr(BasicTSCallback, hook))
        for hook in ("on_compute_loss", "on_backward")
    )
    return acts and not issubclass(kind, HorizonCurriculum)


def unsplittable(
    model: nn.Module, callbacks: Iterable[BasicTSCallback | type[BasicTSCallback]], parts: int
) -> str | None:
    """Return what keeps the loss of a batch from being the sum of its parts' losses; None: nothing that is seen here.

    Args:
        model: What is trained.
        callbacks: What acts in its training.
        parts: Into how many parts each process cuts its share.
    """
    kinds = (kind if isinstance(kind, type) else type(kind) for kind in callbacks)
    own = next((kind.__name__ for kind in kinds if changes_loss(kind)), None)
    if own is not None:
        return f"is trained on a loss of its own, {own}, which is no sum over windows"
    before = model.training
    norms = parts > 1 and batch_norms(model.train())
    model.train(before)
    return "has batch norms, which take mean and variance of the whole batch" if norms else None


def covered_steps(callbacks: Iterable[BasicTSCallback], epoch: int, output_len: int) -> int | None:
    """Return how many steps of a forecast the loss of an epoch covers; None: all."""
    steps = [callback.steps(epoch, output_len) for callback in callbacks if isinstance(callback, HorizonCurriculum)]
    return min(steps, default=None)
