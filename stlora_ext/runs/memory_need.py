"""The memory that a run needs at its peak, found before it starts by two small steps of its own model.

The passes of one window and of two are run with every tensor counted that they make (``LiveBytes``). What a pass holds
grows by the same with every further window, so the two tell that of any batch. It is taken at three moments: the most
during the forward pass, the most during the backward pass, with its temporaries and the gradients, and the most of a
forecast without gradients. To these comes what a run holds throughout: weights, Adam's two averages, the data's tensors
and a frozen backbone's forecasts.

The tensors of a pass count ``OVERHEAD`` times, for the gaps between them in the heap and what kernels take within
themselves: a process with one of our six backbones grows by 1.0 to 1.4 times its tensors (tests/runs/
test_memory_need.py). Not counted: Python and its libraries, which the process holds already, and what a fit in closed
form takes.
"""

import copy
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from stlora_ext.config.experiment import Experiment
from stlora_ext.data.prepared import Meta
from stlora_ext.host.batch_norm import batch_norms
from stlora_ext.host.metrics import MaskedMAE
from stlora_ext.host.randomness import rng_state, set_rng_state
from stlora_ext.host.splits import placed_bytes
from stlora_ext.lora.model import STLoRA
from stlora_ext.lora.sample import forward, sample_batch, sample_window
from stlora_ext.runs.adapter_runner import cached_bytes
from stlora_ext.runs.live_bytes import LiveBytes

OVERHEAD = 1.3


class Line(NamedTuple):
    """Bytes that grow with the windows: ``fixed + windows * per_window``."""

    fixed: int
    per_window: int

    def at(self, windows: int) -> int:
        """Return the bytes of so many windows."""
        return self.fixed + windows * self.per_window


@dataclass(frozen=True)
class MemoryNeed:
    """What a run needs, in bytes.

    Attributes:
        held: Weights, Adam's averages and cached forecasts.
        gradients: Gradients of all trainable weights.
        training_data: Tensors of the training and the validation split.
        test_data: Those of the test split.
        batch: A window's readings, targets and masks.
        forward: Most of a forward pass.
        backward: Most of a backward pass.
        evaluation: Most of a forecast without gradients.
    """

    held: int
    gradients: int
    training_data: int
    test_data: int
    batch: int
    forward: Line
    backward: Line
    evaluation: Line

    def training(self, windows: int, parts: int = 1) -> int:
        """Return the peak of a training step on a batch of ``windows`` in ``parts``, the largest first."""
        part = -(-windows // parts)
        added = self.gradients if parts > 1 else 0  # those of the parts before
        passes = added + max(self.forward.at(part), self.backward.at(part))
        return self.held + self.training_data + self.batch * windows + max(passes, 2 * self.gradients)

    def evaluating(self, windows: int) -> int:
        """Return the peak of an evaluation in batches of ``windows``."""
        data = self.training_data + self.test_data
        return self.held + data + self.batch * windows + self.evaluation.at(windows)


def memory_need(
    model: nn.Module, exp: Experiment, meta: Meta, device: torch.device, free: int, processes: int = 1
) -> MemoryNeed:
    """Find out what a run needs, by small steps on a copy of its model.

    Args:
        model: The model with fresh weights; neither it nor a global generator is touched.
        exp: The settled experiment.
        meta: The data set, as the model sees it in training.
        device: What the run runs on.
        free: Bytes that are free there for a process, by which the data's tensors stay in memory or don't.
        processes: How many train the model together; what is returned is of each.

    Returns:
        MemoryNeed: By batch and parts. Compiled or recorded steps need about as much.
    """
    state = rng_state()
    try:
        copied = copy.deepcopy(model).to(device)
        few = 2 if batch_norms(copied) else 1  # whose statistics one window may be too few for
        moments = [_moments(copied, exp, meta, device, windows) for windows in (few, few + 1)]
    finally:
        set_rng_state(state)
    forward_pass, backward_pass, evaluation = (
        Line(less - few * (more - less), more - less)
        for less, more in zip(*([round(OVERHEAD * peak) for peak in peaks] for peaks in moments), strict=True)
    )
    weights = [*copied.parameters(), *copied.buffers()]
    gradients = _num_bytes([p for p in copied.parameters() if p.requires_grad])
    lengths = meta.input_len + meta.output_len
    sharing = processes if device.type == "cpu" else 1
    data: list[int] = []
    for split in ("train", "val", "test"):
        readings = (meta.windows[split] + lengths - 1) * meta.num_nodes
        data.append(placed_bytes(readings, free - sum(data)))
    return MemoryNeed(
        held=_num_bytes(weights) + (2 + (processes > 1)) * gradients + _cached(exp, meta, sharing),
        gradients=gradients,
        training_data=data[0] + data[1],
        test_data=data[2],
        batch=5 * lengths * meta.num_nodes,
        forward=forward_pass,
        backward=backward_pass,
        evaluation=evaluation,
    )


def _cached(exp: Experiment, meta: Meta, sharing: int = 1) -> int:
    """Return the bytes of a frozen backbone's forecasts that a run keeps; 0 where it keeps none."""
    if exp.protocol == "stream" and exp.arm != "finetune":
        kept = round(exp.stream.memory * meta.steps_per_day) + (exp.stream.every or meta.steps_per_day)
        return 4 * min(kept, sum(meta.windows.values())) * meta.output_len * meta.num_nodes
    if exp.adapter is None or exp.protocol == "joint" or exp.training.num_epochs == 1:
        return 0
    train, val = (
        cached_bytes(meta.windows[split], meta.output_len, meta.num_nodes, sharing) for split in ("train", "val")
    )
    return train + val if train else 0


def _num_bytes(tensors: list[torch.Tensor]) -> int:
    return sum({t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in tensors}.values())


def _moments(model: nn.Module, exp: Experiment, meta: Meta, device: torch.device, windows: int) -> tuple[int, ...]:
    """Return the bytes at the three moments."""
    inputs = sample_window(meta.input_len, meta.num_nodes, windows)
    batch = sample_batch(inputs, meta.steps_per_day, meta.input_len + meta.output_len)
    batch = {name: tensor.to(device) for name, tensor in batch.items()}
    mask = torch.ones_like(batch["targets"], dtype=torch.bool)
    corrects = _cached(exp, meta) > 0  # forecasts that lie ready
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=exp.training.bf16)

    def loss() -> torch.Tensor:
        with autocast:
            if isinstance(model, STLoRA) and corrects:
                forecast = model.correct(batch["inputs"], batch["targets"], batch["inputs_timestamps"])
            else:
                forecast = forward(model, batch)
        return MaskedMAE()(forecast.float() * 2.0 + 1.0, batch["targets"], mask)  # the scaler's two operations

    model.train()
    with LiveBytes() as live:
        result = loss()
        forward_peak = live.peak
        live.restart()
        if result.requires_grad:
            result.backward()
        backward_peak = live.peak
    model.zero_grad()
    del result
    model.eval()
    with LiveBytes() as live, torch.no_grad(), autocast:
        forward(model, batch)
    return forward_peak, backward_peak, live.peak
