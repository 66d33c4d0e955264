"""Running the jobs of a sweep: one in each place, going on when one fails, never one that another process runs."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from stlora_ext.runs.failure import write_failure
from stlora_ext.runs.lock import is_running
from stlora_ext.runs.record import Record
from stlora_ext.sweep.engine import Engine, Run, stop
from stlora_ext.sweep.job import Job

_TICK = 0.1  # seconds between looks at the processes
LOOK_AGAIN = 2.0  # seconds between looks at a job that another process runs
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Failure:
    """A job that didn't end well: why, the command that repeats it, and its output (None: it wasn't started)."""

    job: Job
    reason: str
    command: str
    log: Path | None


class Watcher(Protocol):
    """Who is told what happens to the jobs."""

    def finished(self, job: Job, record: Record, seconds: float | None) -> None:
        """``job`` is finished; ``seconds`` is None where another process did it."""

    def failed(self, failure: Failure) -> None:
        """A job failed."""

    def waiting(self, job: Job) -> None:
        """Another process runs ``job``."""

    def lost(self, job: Job, reason: str) -> None:
        """The machine that ran ``job`` was lost; the job goes on elsewhere."""

    def tick(self, remaining: Sequence[Job], running: Sequence[Run], places: int) -> None:
        """Some time has passed; ``remaining`` holds the running jobs too, ``places`` is how many can run at once."""


class Schedule:
    """The jobs that aren't finished, and what runs them.

    Args:
        jobs: Jobs to run, in order.
        engine: What runs them.
        results: Folder of runs and records.
        watcher: Who is told what happens.
    """

    def __init__(self, jobs: Sequence[Job], engine: Engine, results: Path, watcher: Watcher) -> None:
        self._engine, self._results, self._watcher = engine, results, watcher
        self._pending = list(jobs)
        self._runs: list[Run] = []
        self._again: dict[Job, float] = {}  # of jobs that another process runs: when to look again
        self._failures: list[Failure] = []
        self._stopped = False

    def run(self) -> list[Failure]:
        """Run all jobs and return those that failed.

        Raises:
            KeyboardInterrupt: On SIGINT, SIGTERM or SIGHUP, once the running jobs are stopped.
        """
        with _signals(self._stop):
            try:
                while (self._pending or self._runs) and not self._stopped:
                    self._settle()
                    self._fill()
                    self._watcher.tick(
                        [*(run.job for run in self._runs), *self._pending], self._runs, self._engine.places()
                    )
                    time.sleep(_TICK)
            finally:
                stop(self._runs)
            if self._stopped:
                self._settle()
                raise KeyboardInterrupt
        return self._failures

    def _stop(self, *_: Any) -> None:
        self._stopped = True

    def _settle(self) -> None:
        """Take in the runs that have ended."""
        for run in [run for run in self._runs if run.poll() is not None]:
            self._runs.remove(run)
            record = run.job.record(self._results) if run.poll() == 0 else None
            if record is not None:
                self._watcher.finished(run.job, record, None if run.found() else time.monotonic() - run.started)
            elif self._stopped:
                continue
            elif run.taken():
                self._wait_for(run.job)
                self._pending.insert(0, run.job)
            elif run.lost():
                self._watcher.lost(run.job, run.reason())
                self._pending.insert(0, run.job)
            else:
                self._fail(
                    Failure(run.job, run.reason() if run.poll() else "it ended without a record", run.command, run.log)
                )

    def _fill(self) -> None:
        """Start a job in every free place."""
        while len(self._runs) < self._engine.places() and not self._stopped:
            job = self._next()
            if job is None:
                return
            run = self._engine.start(job)
            if run is None:
                self._wait_for(job)
                continue
            self._pending.remove(job)
            self._again.pop(job, None)
            self._runs.append(run)

    def _next(self) -> Job | None:
        """Return the first job that can start now; those done by others meanwhile, and those that can't be, go."""
        unfinished = {job.key for job in self._pending} | {run.job.key for run in self._runs}
        for job in list(self._pending):
            if job.needs in unfinished or self._again.get(job, 0.0) > time.monotonic():
                continue
            record = job.record(self._results)
            if record is not None:
                self._pending.remove(job)
                unfinished.discard(job.key)
                self._watcher.finished(job, record, None)
            elif job.needs in {failure.job.key for failure in self._failures}:
                self._pending.remove(job)
                unfinished.discard(job.key)
                self._fail(
                    Failure(
                        job,
                        f"not started: {job.needed} failed, whose weights it adapts",
                        self._engine.command(job),
                        None,
                    )
                )
            elif any(is_running(self._results / key.path) for key in (job.key, job.needs) if key is not None):
                self._wait_for(job)
            else:
                return job
        return None

    def _wait_for(self, job: Job) -> None:
        if job not in self._again:
            self._watcher.waiting(job)
        self._again[job] = time.monotonic() + LOOK_AGAIN

    def _fail(self, failure: Failure) -> None:
        self._failures.append(failure)
        with suppress(OSError):  # on a full disk the others may still go on
            write_failure(failure.job.key, failure.reason, self._results)  # now: the sweep may be stopped
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
