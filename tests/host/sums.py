"""A few steps of every backbone of ours, base and with adapter, as each of several processes takes them."""

from typing import Any

import torch
from torch import nn

from stlora_ext.config.backbones import BACKBONES
from stlora_ext.host.metrics import MaskedMAE
from stlora_ext.host.processes import Processes
from stlora_ext.host.split_steps import SplitSteps
from stlora_ext.lora.model import STLoRA
from stlora_ext.lora.sample import forward, sample_batch
from stlora_ext.runs.build import build_model
from tests.support.small import NODES, OURS, data_folder, meta, small_experiment, windows

TRAINED = [name + mark for name in OURS if not BACKBONES[name].fitted for mark in ("", "+")]
BATCHES = (5, 4, 1)  # windows: unequal shares, equal ones, and one that is empty
STEPS = 12
ROWS_DROPPED: dict[str, Any] = {"adapter": {"row_dropout": 0.5}}


def batches() -> list[dict[str, torch.Tensor]]:
    """Batches whose readings are missing here and there, more of them in the last windows; a window has none."""
    generator = torch.Generator().manual_seed(2)
    made = []
    for size in BATCHES:
        batch = sample_batch(windows(size, seed=size), 288, 2 * STEPS)
        batch["targets"] = torch.randn(size, STEPS, NODES, generator=generator)
        share = torch.linspace(0.1, 0.9, size).view(-1, 1, 1)
        batch["targets_mask"] = torch.rand(size, STEPS, NODES, generator=generator) > share
        batch["targets_mask"][2:3] = False
        made.append(batch)
    return made


def gradients(
    name: str, processes: Processes | None = None, parts: int = 1, covered: int | None = None, **settings: Any
) -> list[torch.Tensor]:
    """Train a small model without dropout for a step a batch, and return the loss and the gradient of every step.

    Args:
        name: The model.
        processes: Who share a batch; None: nobody, it is computed as a whole.
        parts: Parts that each of them cuts its share into.
        covered: Steps of a forecast that the loss covers; None: all.
        **settings: Of the experiment.

    Returns:
        list: For each step a vector, the loss first; then the weights and buffers after the last.
    """
    torch.manual_seed(0)
    model = build_model(small_experiment(name, **settings), meta(), data_folder(NODES)).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    mean = MaskedMAE()

    def loss(part: dict[str, torch.Tensor], count: torch.Tensor | None = None) -> torch.Tensor:
        cut = (forward(model, part), part["targets"], part["targets_mask"])
        return mean(*(tensor[:, :covered] for tensor in cut), count)

    def whole(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        mae = loss(batch)
        mae.backward()
        return mae.detach()

    step: Any = whole
    if processes is not None:
        step = SplitSteps(model, loss, lambda: covered, processes, parts)
        step.prepare(batches()[0])
    if isinstance(model, STLoRA):
        model.adapter.row_dropout.reseed(7)  # as an epoch begins
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    told = []
    for batch in batches():
        total = step(batch)
        told.append(torch.cat([total.view(1), *(p.grad.flatten() for p in model.parameters() if p.grad is not None)]))
        optimizer.step()
        optimizer.zero_grad()
    state = model.state_dict().values()
    return [*told, torch.cat([tensor.flatten().float() for tensor in state])]


class AllModels:
    """Stands in a process for its runner, and trains all models, one after the other."""

    def __init__(self, cfg: Any) -> None:
        self.device, self.processes = torch.device("cpu"), Processes()

    def train(self) -> None:
        """Train them."""
        self.told = {name: gradients(name, self.processes) for name in TRAINED}
        self.in_parts = gradients("STAE+", self.processes, parts=2, covered=7)
        self.rows_dropped = gradients("LSTM+", self.processes, **ROWS_DROPPED)


def apart(one: list[torch.Tensor], other: list[torch.Tensor]) -> float:
    """Return how far two lists of vectors are apart at most, relative to the length of each."""
    return max(float((a - b).norm() / a.norm()) for a, b in zip(one, other, strict=True))
