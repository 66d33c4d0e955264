"""Runs of a sweep whose processes take a moment, and a sweep of them as a process.

python -m tests.sweep.stubs RESULTS CELLS JOBS SECONDS
"""

import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from stlora_ext.runs.key import RunKey
from stlora_ext.sweep.engine import Local
from stlora_ext.sweep.job import Job
from stlora_ext.sweep.schedule import Schedule
from tests.support.commands import ROOT


def job(results: Path, seed: int, seconds: float = 0.0, code: int = 0, needs: Job | None = None) -> Job:
    """A job whose process sleeps for ``seconds`` and ends with ``code``."""
    key = RunKey(
        "D",
        "M" if needs is None else "M+",
        "joint" if needs is None else "adapt",
        "base" if needs is None else "plus",
        "0" * 8,
        seed,
    )
    arguments = ("tests/sweep/stub_job.py", str(results), json.dumps(key.as_dict()), str(seconds), str(code))
    return Job(key, arguments, "sha256:0", 1, None if needs is None else needs.key)


class Log:
    """A watcher that keeps what it is told, and prints it."""

    def __init__(self) -> None:
        self.lines = []

    def finished(self, job, record, seconds):
        self._add(f"{job.title} {'elsewhere' if seconds is None else 'here'}")

    def failed(self, failure):
        self._add(f"{failure.job.title} failed")

    def waiting(self, job):
        self._add(f"{job.title} waits")

    def lost(self, job, reason):
        self._add(f"{job.title} lost")

    def tick(self, remaining, running, places):
        pass

    def _add(self, line):
        self.lines.append(line)
        print(line, flush=True)


def sweep(results: Path, jobs: list[Job], workers: int = 2):
    """Run ``jobs``; return the failures and what the watcher was told."""
    log = Log()
    waiting = [job for job in jobs if job.record(results) is None]
    return Schedule(waiting, Local([[]] * workers, 1, ROOT, results), results, log).run(), log.lines


def runs(results: Path) -> list[str]:
    """Return the name of every run that got its lock, in order, repetitions included."""
    return [line.split()[0] for line in (results / "runs.txt").read_text().splitlines()]


def processes(results: Path) -> list[int]:
    """Return the ids of those runs' processes that are still there."""
    ids = [line.split()[1] for line in (results / "runs.txt").read_text().splitlines()]
    return [int(each) for each in ids if _is_there(each)]


def _is_there(process: str) -> bool:
    try:
        return Path("/proc", process, "stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it may go while it is looked at
        return False


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until ``condition`` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the tests may run where Ctrl-C is ignored
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    try:
        sweep(folder, [job(folder, seed, float(sys.argv[4])) for seed in range(count)], int(sys.argv[3]))
    except KeyboardInterrupt:
        sys.exit(130)
