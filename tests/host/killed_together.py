"""A run in two processes of which one is killed."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import torch
from basicts.runners.callback import BasicTSCallback

from stlora_ext.cli import command
from stlora_ext.host.config import ForecastingConfig
from stlora_ext.host.launcher import launch_training
from stlora_ext.host.runner import HostRunner

from .toy import our_config

STEP = 8  # of the second epoch
TWO = (None, None)


class Kill(BasicTSCallback):
    """Kills a process once, where a file asks for it; the process that is killed leaves its helpers' numbers in it."""

    def __init__(self, asked: str, rank: int) -> None:
        self.asked, self.rank = asked, rank

    def on_step_end(self, runner: Any, step: int) -> None:
        if step == STEP and runner.processes.rank == self.rank and read(Path(self.asked)) == []:
            helpers = [child.pid for child in psutil.Process().children()]
            Path(self.asked).write_text(json.dumps(helpers or [os.getpid()]))
            os.kill(os.getpid(), signal.SIGKILL)


def read(asked: Path) -> list[int] | None:
    """The processes that have to be gone once the killed run is over; none before; None where nothing was asked."""
    return json.loads(asked.read_text() or "[]") if asked.exists() else None


def config(folder: Path, rank: int) -> ForecastingConfig:
    """The configuration of a run with dropout, of three epochs, in ``folder/RANK``."""
    run_dir = folder / str(rank)
    return our_config(
        folder / "data",
        run_dir,
        num_epochs=3,
        model_settings={"dropout": 0.3},
        callbacks=[Kill(str(folder / f"kill{rank}"), rank)],
    )


def together(folder: Path, rank: int) -> HostRunner:
    """Run it in two processes."""
    return launch_training(config(folder, rank), devices=TWO)


def main(folder: str, rank: int) -> None:
    """Run it as a command does."""
    torch.set_num_threads(1)
    command(lambda _: together(Path(folder), rank))  # type: ignore[arg-type, func-returns-value]
