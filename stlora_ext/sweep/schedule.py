"""Running the cells of a sweep: one in each place, going on when one fails, never one that another process runs."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from stlora_ext.runs.lock import is_running
from stlora_ext.runs.record import Record
from stlora_ext.sweep.engine import Engine, Run, stop
from stlora_ext.sweep.job import Job, title

_TICK = 0.1  # seconds between looks at the processes
LOOK_AGAIN = 2.0  # seconds between looks at a cell that another process runs
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Failure:
    """A cell that didn't end well: why, the command that repeats it, and its output (None: it wasn't started)."""

    cell: Job
    reason: str
    command: str
    log: Path | None


class Watcher(Protocol):
    """Who is told what happens to the cells."""

    def finished(self, cell: Job, record: Record, seconds: float | None) -> None:
        """``cell`` is finished; ``seconds`` is None where another process did it."""

    def failed(self, failure: Failure) -> None:
        """A cell failed."""

    def waiting(self, cell: Job) -> None:
        """Another process runs ``cell``."""

    def lost(self, cell: Job, reason: str) -> None:
        """The machine that ran ``cell`` was lost; the cell goes on elsewhere."""

    def tick(self, remaining: Sequence[Job], running: Sequence[Run], places: int) -> None:
        """Some time has passed; ``remaining`` holds the running cells too, ``places`` is how many can run at once."""


class Schedule:
    """The cells that aren't finished, and what runs them.

    Args:
        cells: Cells to run, in order.
        engine: What runs them.
        results: Folder of runs and records.
        watcher: Who is told what happens.
    """

    def __init__(self, cells: Sequence[Job], engine: Engine, results: Path, watcher: Watcher) -> None:
        self._engine, self._results, self._watcher = engine, results, watcher
        self._pending = list(cells)
        self._jobs: list[Run] = []
        self._again: dict[Job, float] = {}  # of cells that another process runs: when to look again
        self._failures: list[Failure] = []
        self._stopped = False

    def run(self) -> list[Failure]:
        """Run all cells and return those that failed.

        Raises:
            KeyboardInterrupt: On SIGINT, SIGTERM or SIGHUP, once the running cells are stopped.
        """
        with _signals(self._stop):
            try:
                while (self._pending or self._jobs) and not self._stopped:
                    self._settle()
                    self._fill()
                    self._watcher.tick(
                        [*(job.cell for job in self._jobs), *self._pending], self._jobs, self._engine.places()
                    )
                    time.sleep(_TICK)
            finally:
                stop(self._jobs)
            if self._stopped:
                self._settle()
                raise KeyboardInterrupt
        return self._failures

    def _stop(self, *_: Any) -> None:
        self._stopped = True

    def _settle(self) -> None:
        """Take in the runs that have ended."""
        for job in [job for job in self._jobs if job.poll() is not None]:
            self._jobs.remove(job)
            record = job.cell.record(self._results) if job.poll() == 0 else None
            if record is not None:
                self._watcher.finished(job.cell, record, None if job.found() else time.monotonic() - job.started)
            elif self._stopped:
                continue
            elif job.taken():
                self._wait_for(job.cell)
                self._pending.insert(0, job.cell)
            elif job.lost():
                self._watcher.lost(job.cell, job.reason())
                self._pending.insert(0, job.cell)
            else:
                self._fail(
                    Failure(job.cell, job.reason() if job.poll() else "it ended without a record", job.command, job.log)
                )

    def _fill(self) -> None:
        """Start a cell in every free place."""
        while len(self._jobs) < self._engine.places() and not self._stopped:
            cell = self._next()
            if cell is None:
                return
            job = self._engine.start(cell)
            if job is None:
                self._wait_for(cell)
                continue
            self._pending.remove(cell)
            self._again.pop(cell, None)
            self._jobs.append(job)

    def _next(self) -> Job | None:
        """Return the first cell that can start now; those done by others meanwhile, and those that can't be, go."""
        unfinished = {cell.key for cell in self._pending} | {job.cell.key for job in self._jobs}
        for cell in list(self._pending):
            if cell.needs in unfinished or self._again.get(cell, 0.0) > time.monotonic():
                continue
            record = cell.record(self._results)
            if record is not None:
                self._pending.remove(cell)
                unfinished.discard(cell.key)
                self._watcher.finished(cell, record, None)
            elif cell.needs in {failure.cell.key for failure in self._failures}:
                self._pending.remove(cell)
                unfinished.discard(cell.key)
                self._fail(
                    Failure(
                        cell,
                        f"not started: {title(cell.needs)} failed, whose weights it adapts",
                        self._engine.command(cell),
                        None,
                    )
                )
            elif any(is_running(self._results / key.path) for key in (cell.key, cell.needs) if key is not None):
                self._wait_for(cell)
            else:
                return cell
        return None

    def _wait_for(self, cell: Job) -> None:
        if cell not in self._again:
            self._watcher.waiting(cell)
        self._again[cell] = time.monotonic() + LOOK_AGAIN

    def _fail(self, failure: Failure) -> None:
        self._failures.append(failure)
        self._watcher.failed(failure)


@contextmanager
def _signals(handler: Callable[..., None]) -> Iterator[None]:
    """Let ``handler`` take the signals that end a command, except ignored ones (nohup, a shell's background job)."""
    earlier = {number: signal.getsignal(number) for number in _SIGNALS}
    taken = [number for number, before in earlier.items() if before is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, earlier[number])
