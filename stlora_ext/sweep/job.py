"""A run of a sweep, and its name; without torch, for processes that only start runs."""

from dataclasses import dataclass
from pathlib import Path

from stlora_ext.errors import UserError
from stlora_ext.runs.key import RunKey
from stlora_ext.runs.record import Record
from stlora_ext.runs.store import find_record


@dataclass(frozen=True)
class Job:
    """One run of the sweep.

    Attributes:
        key: Its key.
        arguments: The call of ``run.py`` that runs it, without what the worker adds (``--gpus``, ``--threads``).
        fingerprint: Fingerprint of its data set.
        epochs: Epochs at most.
        needs: Key of the base run whose weights it adapts; None where it needs none.
        added: Whether it was not asked for, but is needed by another job.
        split: Draw of the sensors that it sets aside; None: it sets none aside, or named ones.
    """

    key: RunKey
    arguments: tuple[str, ...]
    fingerprint: str
    epochs: int
    needs: RunKey | None = None
    added: bool = False
    split: int | None = None

    @property
    def title(self) -> str:
        """What identifies it to a person: "TINY/LSTM+ joint plus seed 3"."""
        return title(self.key) + self._of_split

    @property
    def needed(self) -> str:
        """What identifies the run that it needs to a person; empty where it needs none."""
        if self.needs is None:
            return ""
        return title(self.needs) + self._of_split * (self.needs.protocol == self.key.protocol)

    @property
    def _of_split(self) -> str:
        return "" if self.split is None else f" split {self.split}"

    def record(self, results: Path) -> Record | None:
        """Return its record; None while it isn't finished, or where ``run.py`` would refuse the one that is there."""
        try:
            record = find_record(self.key, results)
        except UserError:
            return None
        return record if record is not None and record.data.fingerprint == self.fingerprint else None


def title(key: RunKey) -> str:
    """Return what identifies a run to a person."""
    seed = "" if key.seed is None else f" seed {key.seed}"
    return f"{key.dataset}/{key.model} {key.protocol} {key.arm}{seed}"
