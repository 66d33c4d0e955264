"""What runs the jobs of a sweep: the GPUs or CPU of this machine here, a cluster in ``ray_engine.py``."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from stlora_ext.sweep.job import Job
from stlora_ext.sweep.process import JobProcess, shell_command

_GRACE = 10.0  # seconds that an interrupted run has to end by itself


class Run(Protocol):
    """A running job: when it began, the command that repeats it, and where its output goes."""

    job: Job
    command: str
    log: Path
    started: float

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""

    def taken(self) -> bool:
        """Whether it ended at once because another process runs the job."""

    def found(self) -> bool:
        """Whether it found the job finished, by another process that ended just before it began."""

    def lost(self) -> bool:
        """Whether its machine was lost with it, and the job is to go on elsewhere."""

    def reason(self) -> str:
        """Say in a line why it failed."""

    def interrupt(self) -> None:
        """Let it end as by Ctrl-C; it keeps its last checkpoint."""

    def kill(self) -> None:
        """End it at once."""


class Engine(Protocol):
    """What starts runs."""

    def places(self) -> int:
        """Return how many jobs can run at once; it may change with the time."""

    def start(self, job: Job) -> Run | None:
        """Start ``job``, in one of the places that must be free; None where another process has just taken it."""

    def command(self, job: Job) -> str:
        """Return the command that runs ``job`` alone, as a user gives it."""

    def close(self) -> None:
        """Nothing more is started."""


class Local:
    """Workers on this machine, each running one job at a time as a process.

    Args:
        workers: Per worker what it adds to a job's arguments, such as ``["--gpus", "0", "--threads", "2"]``.
        threads: CPU threads of a worker.
        root: The repository.
        results: Folder of runs and records.
    """

    def __init__(self, workers: Sequence[Sequence[str]], threads: int, root: Path, results: Path) -> None:
        self._workers, self._threads, self._root, self._results = workers, threads, root, results
        self._processes: dict[int, JobProcess] = {}  # the last of each worker

    def places(self) -> int:
        """Return the number of workers."""
        return len(self._workers)

    def start(self, job: Job) -> JobProcess:
        """Start ``job`` on the first idle worker."""
        running = {worker for worker, process in self._processes.items() if process.poll() is None}
        worker = next(worker for worker in range(self.places()) if worker not in running)
        self._processes[worker] = JobProcess(job, self._workers[worker], self._threads, self._root, self._results)
        return self._processes[worker]

    def command(self, job: Job) -> str:
        """Return the command that runs ``job`` alone, as a user gives it."""
        return shell_command(job, self._workers[0])

    def close(self) -> None:
        """Nothing is held."""


def stop(runs: Iterable[Run]) -> None:
    """Interrupt running jobs, which keep their last checkpoint, and kill what doesn't end."""
    runs = [run for run in runs if run.poll() is None]
    for end in ("interrupt", "kill"):
        for run in runs:
            if run.poll() is None:
                getattr(run, end)()
        deadline = time.monotonic() + _GRACE
        while any(run.poll() is None for run in runs) and time.monotonic() < deadline:
            time.sleep(0.05)
