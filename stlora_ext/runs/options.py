"""How a run is executed: where it reads and writes, and on what; none of this changes what is learned."""

from dataclasses import dataclass
from pathlib import Path

import torch

from stlora_ext.host.progress import Outlook


@dataclass(frozen=True)
class RunOptions:
    """Where a run reads and writes, and on what it runs.

    Attributes:
        data: Folder of the prepared data sets.
        results: Folder of runs and records.
        gpus: Number of the GPU, or those of several that train one model, "0,1"; None or "": CPU.
        save_results: Whether to keep the test set's forecasts.
        train_backbone: Whether protocol ``adapt`` trains the backbone first where no finished run of it is there.
        compiled: Whether to run the model through ``torch.compile``; it moves results by rounding alone, and by
            other draws of dropout.
        deterministic: Whether a GPU must use algorithms that repeat to the bit.
        cuda_graphs: Whether a GPU replays recorded training steps.
        processes: How many processes train one model on the CPU; on GPUs each has one.
        parts: Parts of a training batch that run one after the other, their gradients added; None: as few as fit into
            memory.
        outlook: How long the command takes that this run is a part of; None: the user isn't told.
    """

    data: Path = Path()
    results: Path = Path()
    gpus: str | None = None
    save_results: bool = False
    compiled: bool = False
    train_backbone: bool = False
    deterministic: bool = False
    cuda_graphs: bool = False
    processes: int = 1
    parts: int | None = None
    outlook: Outlook | None = None

    @property
    def device(self) -> torch.device:
        """The device that the model runs on; of several the first, which alone evaluates."""
        gpu = self.devices[0]
        return torch.device("cpu") if gpu is None else torch.device("cuda", int(gpu))

    @property
    def devices(self) -> tuple[str | None, ...]:
        """For each process that trains the model, its GPU's number; None: CPU."""
        return tuple(self.gpus.split(",")) if self.gpus else (None,) * self.processes

    @property
    def num_parts(self) -> int:
        """Parts of a training batch; 1 before they are worked out."""
        return self.parts or 1
