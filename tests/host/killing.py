"""Runs that die: ``python -m tests.host.killing FOLDER`` leaves what a kill at each moment of a save leaves.

A process of its own, because a process that has run threads or CUDA cannot be forked safely.
"""

import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from .toy import run_ours, run_stock, write_world

MOMENTS = {"before a byte": 0.0, "empty file": 0.0, "half the bytes": 0.5}
NUM_EPOCHS = 4


def killed_while_saving(run: Callable[[], object], moment: str) -> None:
    """Run in a child that is killed (SIGKILL) while it saves its state for the second time."""
    child = os.fork()
    if child == 0:
        saves = []

        def dying(write: Callable[..., object], file: Callable[..., Path]) -> Callable[..., object]:
            def save(*args: object) -> object:
                path = file(*args)
                if path is not None and "best" not in path.name:
                    saves.append(path)
                if len(saves) == 2:
                    if moment != "before a byte":
                        write(*args)
                        os.truncate(path, int(MOMENTS[moment] * path.stat().st_size))
                    os.kill(os.getpid(), signal.SIGKILL)
                return write(*args)

            return save

        # Stock saves to a path; ours writes the bytes itself.
        torch.save = dying(torch.save, lambda _, to: None if isinstance(to, io.BytesIO) else Path(to))
        Path.write_bytes = dying(Path.write_bytes, lambda path, _: path)
        try:
            run()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
        raise SystemExit(f"the run was to be killed {moment}, and ended with status {status}")


def main(folder: Path) -> None:
    """Write the data and one killed run of stock and of ours for each moment."""
    torch.set_num_threads(1)
    world = write_world(folder / "data")
    for moment in MOMENTS:
        for run in (run_stock, run_ours):
            run_dir = folder / run.__name__ / moment
            killed_while_saving(lambda run=run, run_dir=run_dir: run(world, run_dir, num_epochs=NUM_EPOCHS), moment)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
