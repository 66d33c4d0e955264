"""What identifies a run, and where it lives."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stlora_ext.folders import is_name

ARMS = ("base", "plus", "control", "wide", "finetune", "full")
WITHOUT_ADAPTER = ("base", "finetune")
CHECKPOINT = "model.pt"  # in the folder of a finished run
ADAPTER = "adapter.safetensors"  # beside it
SERVICE = "service.safetensors"  # beside that, of a stream


@dataclass(frozen=True, order=True)
class RunKey:
    """The key of a run record; "finished" means that a record with this key exists.

    Attributes:
        dataset: Data set.
        model: Model, with "+" where it carries an adapter.
        protocol: ``fitted``, ``joint``, ``adapt``, ``stream`` or ``new-sensors``.
        arm: ``base``, ``plus``, ``control``, ``wide``, ``finetune`` or ``full``.
        config_hash: Hash of the result-relevant configuration.
        seed: Seed; None where no seed changes the result.
    """

    dataset: str
    model: str
    protocol: str
    arm: str
    config_hash: str
    seed: int | None

    @property
    def path(self) -> Path:
        """Where the run lives, relative to the results folder: a folder, and beside it the record ``.json``."""
        seed = "all-seeds" if self.seed is None else f"seed{self.seed}"
        return Path(self.dataset, self.model, f"{self.protocol}-{self.arm}-{self.config_hash}-{seed}")

    def record_path(self, results: Path) -> Path:
        """The file of the record under ``results``."""
        return results / self.path.parent / f"{self.path.name}.json"

    def as_dict(self) -> dict[str, Any]:
        """Return the key as a dictionary."""
        return asdict(self)


def checked_key(values: Any) -> RunKey:
    """Return the key of a record from a file; it becomes a path, so each name is one.

    Raises:
        TypeError: If it isn't one.
    """
    key = RunKey(**values)
    for name, value in key.as_dict().items():
        good = value is None or (type(value) is int and value >= 0) if name == "seed" else is_name(value)
        if not good:
            raise TypeError(f"its key has {name}={value!r}")
    return key
