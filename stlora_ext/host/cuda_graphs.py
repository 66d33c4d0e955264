"""Training steps recorded as CUDA graphs: one call starts all kernels of a step, for which a GPU waits otherwise."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple

import torch
from basicts.runners.callback import BasicTSCallback

from stlora_ext.errors import UserError
from stlora_ext.host.split_steps import changes_loss

Batch = dict[str, torch.Tensor]


class _Recording(NamedTuple):
    graph: torch.cuda.CUDAGraph
    batch: Batch
    loss: torch.Tensor
    gradients: list[torch.Tensor | None]


class RecordedSteps:
    """Forward and backward passes, recorded per kind of step and replayed.

    A kind's first step runs as usual, which creates what libraries create at their first call; its second is recorded.
    No step is run for the recording alone, so random draws and running statistics are those of a run without.

    Args:
        run: Runs both passes on a batch and returns its loss; it waits for nothing on the device.
        parameters: Whose gradients it leaves in ``grad``, each None beforehand.
    """

    def __init__(self, run: Callable[[Batch], torch.Tensor], parameters: Sequence[torch.nn.Parameter]) -> None:
        self._run, self._parameters = run, parameters
        self._recordings: dict[Hashable, _Recording | None] = {}
        self._group: Hashable = None

    def __call__(self, batch: Batch, group: Hashable = None) -> torch.Tensor:
        """Run both passes and return the loss, which the next call overwrites, as it does the gradients.

        Args:
            batch: Tensors by name; steps are of a kind if their batches are of one size.
            group: What else makes steps alike; those of earlier groups are forgotten.

        Raises:
            ValueError: If gradients of an earlier step are still there, to which a replay couldn't add.
        """
        if any(parameter.grad is not None for parameter in self._parameters):
            raise ValueError("recorded steps don't accumulate gradients: set them to None after every step")
        if group != self._group:
            self._recordings.clear()
            self._group = group
        kind = tuple(tensor.shape for tensor in batch.values())
        if kind not in self._recordings:
            self._recordings[kind] = None
            return self._run(batch)
        recording = self._recordings[kind]
        if recording is None:
            recording = self._recordings[kind] = self._record(batch)
        for name, tensor in batch.items():
            recording.batch[name].copy_(tensor)
        recording.graph.replay()
        for parameter, gradient in zip(self._parameters, recording.gradients, strict=True):
            parameter.grad = gradient
        return recording.loss

    def _record(self, batch: Batch) -> _Recording:
        graph, kept = torch.cuda.CUDAGraph(), {name: tensor.clone() for name, tensor in batch.items()}
        with torch.cuda.graph(graph):
            loss = self._run(kept)
        return _Recording(graph, kept, loss, [parameter.grad for parameter in self._parameters])


def refuse_unrecordable(
    callbacks: Iterable[BasicTSCallback], forward_params: Iterable[str], device: torch.device
) -> None:
    """Refuse what recorded steps would get wrong.

    Raises:
        UserError: On a callback that acts within the passes, which a replay doesn't call, a model that asks for the
            step or the epoch, and another device than a GPU.
    """
    counted = sorted({"step", "epoch"} & set(forward_params))
    if counted:
        raise UserError(
            f"cuda_graphs=True: the model's forward asks for the {counted[0]}, which a recording repeats "
            "as it was; leave cuda_graphs out"
        )
    for callback in callbacks:
        if changes_loss(callback):
            raise UserError(
                f"cuda_graphs=True: {type(callback).__name__} acts within single steps, which a recording "
                "repeats as they were; leave one of the two out"
            )
    if device.type != "cuda":
        raise UserError(f"cuda_graphs=True: the device is {device.type}; name a GPU, gpus='0', or leave it out")
