"""A short run of TINY by the real command, and what of it no interruption may change."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_LIMIT = 300.0  # seconds; far beyond any of these runs
_PROGRESS = (" epoch ", " for the whole command: ", ", left ", "memory: about ")  # in what a run says of its progress


@dataclass(frozen=True)
class Cell:
    """One run to break.

    Attributes:
        name: What it is, for the table.
        arguments: Arguments of ``experiments/run.py`` but for ``--results``.
    """

    name: str
    arguments: tuple[str, ...]

    def command(self, results: Path) -> list[str]:
        """Return the command that runs it."""
        return [sys.executable, "experiments/run.py", *self.arguments, "--results", str(results)]

    def start(self, results: Path, **kwargs: Any) -> subprocess.Popen:
        """Begin it as a process of its own."""
        return subprocess.Popen(
            kwargs.pop("command", None) or self.command(results),
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **kwargs,
        )

    def run(self, results: Path, **kwargs: Any) -> "Ended":
        """Run it to its end."""
        return ended(self.start(results, **kwargs))

    def finish(self, results: Path) -> dict[str, Any]:
        """Run it, which must end well, and return its outcome.

        Raises:
            Broken: If it doesn't.
        """
        done = self.run(results)
        expect(done.code == 0, f"the same command again ended with {done.code}: {done.stderr[-300:]}")
        return outcome(results)


@dataclass(frozen=True)
class Ended:
    """A process that is over."""

    code: int
    stderr: str

    def refusal(self, code: int) -> str:
        """Return the one line by which it said why it can't go on.

        Raises:
            Broken: If it ended with another code than ``code``, a traceback, or more than a line.
        """
        said = [line for line in self.stderr.splitlines() if not any(each in line for each in _PROGRESS)]
        expect(self.code == code, f"ended with {self.code} instead of {code}: {self.stderr[-300:]}")
        expect(len(said) == 1, f"said more than a line: {self.stderr[-600:]}")
        return said[0]


class Broken(Exception):
    """What a fault must not do."""


def expect(holds: bool, otherwise: str) -> None:
    """Raise ``Broken`` with what ``otherwise`` says unless ``holds``."""
    if not holds:
        raise Broken(otherwise)


def ended(process: subprocess.Popen) -> Ended:
    """Wait for a process."""
    _, stderr = process.communicate(timeout=_LIMIT)
    return Ended(process.returncode, stderr)


def outcome(results: Path) -> dict[str, Any]:
    """Return a finished run's scores, curve and weights, without its timings."""
    import torch

    path = record_path(results)
    record = json.loads(path.read_text(encoding="utf-8"))
    state = torch.load(path.with_suffix("") / "model.pt", weights_only=True)["model_state_dict"]
    history = [
        {key: value for key, value in entry.items() if key != "seconds"} for entry in record["training"]["history"]
    ]
    return {
        "test": record["test"],
        "history": history,
        "best_epoch": record["training"]["best_epoch"],
        "weights": {name: tensor.numpy().tobytes() for name, tensor in state.items()},
    }


def record_path(results: Path) -> Path:
    """Return the path of the only record under ``results``."""
    (path,) = results.glob("TINY/*/*.json")
    return path


def run_folder(results: Path) -> Path:
    """Return the folder of the only run under ``results``."""
    (lock,) = results.glob("TINY/*/*/.lock")
    return lock.parent


def until(process: subprocess.Popen, results: Path, file: str) -> bool:
    """Wait until the run has written ``file``; whether the process still runs then."""
    deadline = time.monotonic() + _LIMIT
    while not list(results.glob(f"TINY/*/*/{file}")):
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return process.poll() is None


def cells(data: Path, folder: Path, epochs: int = 4) -> list[tuple[Cell, dict[str, Any], float]]:
    """Run each cell once without a fault: LSTM, LSTM+ joint, LSTM+ adapting that LSTM.

    Args:
        data: Folder that holds TINY.
        folder: Where the runs go.
        epochs: Epochs of each.

    Returns:
        list: The cells, each with its outcome and its seconds.
    """
    common = (
        "--seeds",
        "0",
        "--epochs",
        str(epochs),
        "--threads",
        "1",
        "--data",
        str(data),
        "--set",
        "model.hidden_size=8",
        "model.end_size=16",
        "model.dropout=0.3",
        "lr_milestones=[2]",
    )
    done: list[tuple[Cell, dict[str, Any], float]] = []
    backbone: Path | None = None
    for name, model, extra in (
        ("base", "LSTM", ()),
        ("plus, joint", "LSTM_LoRA", ()),
        ("plus, adapt", "LSTM_LoRA", ("--protocol", "adapt")),
    ):
        extra = (*extra, "--from", str(backbone)) if extra else extra
        cell, results = Cell(name, ("-c", f"experiments/TINY/{model}.py", *common, *extra)), folder / f"{len(done)}"
        started = time.monotonic()
        result = cell.finish(results)
        done.append((cell, result, time.monotonic() - started))
        backbone = backbone or record_path(results).with_suffix("") / "model.pt"
    return done
