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
        gpus: Number of the GPU; None or "": CPU.
        save_results: Whether to keep the test set's forecasts.
        train_backbone: Whether protocol ``adapt`` trains the backbone first where no finished run of it is there.
        compiled: Whether to run the model through ``torch.compile``; it moves results by rounding alone, and by
            other draws of dropout.
        deterministic: Whether a GPU must use algorithms that repeat to the bit.
        cuda_graphs: Whether a GPU replays recorded training steps.
        parts: In how many parts a training step adds its gradients; None: as few as fit into memory.
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
    parts: int | None = None
    outlook: Outlook | None = None

    @property
    def device(self) -> torch.device:
        """The device that the model runs on."""
        return torch.device("cuda", int(self.gpus)) if self.gpus else torch.device("cpu")
