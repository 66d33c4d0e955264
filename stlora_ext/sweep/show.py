"""What a person sees of a sweep: the plan, a line per run that is over, a bar on a terminal, the failures."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from time import monotonic

import setproctitle
from tqdm import tqdm

from stlora_ext.digits import number
from stlora_ext.host.progress import EVERY, duration
from stlora_ext.runs.record import Record
from stlora_ext.sweep.engine import Run
from stlora_ext.sweep.estimate import Estimates
from stlora_ext.sweep.job import Job
from stlora_ext.sweep.schedule import Failure


def plan_lines(
    jobs: Sequence[Job],
    results: Path,
    estimates: Estimates,
    workers: str,
    num_workers: int,
    left_out: Iterable[tuple[str, str]],
    settings: Mapping[str, Sequence[str]],
) -> list[str]:
    """Return the plan: a line per job with its state and how long it will take, what is left out, and in all.

    Args:
        jobs: All jobs, finished ones too.
        results: Folder of the records.
        estimates: How long jobs take.
        workers: The workers in words.
        num_workers: How many they are.
        left_out: What matched but can't run, and why.
        settings: Models that use a setting, by setting; those that all models use are left out.
    """
    lines, unfinished, width = [], [], max((len(job.title) for job in jobs), default=0)
    for job in jobs:
        text = "finished"
        if job.record(results) is None:
            unfinished.append(job)
            seconds = estimates.of(job)
            text = "to run, " + ("duration unknown" if seconds is None else f"about {duration(seconds)}")
            if job.needs is not None:
                text += f", after {job.needed}"
            if job.added:
                text += "; added, because its weights are adapted"
        lines.append(f"  {job.title:{width}}  {text}")
    lines += [f"  left out: {what}: {reason}" for what, reason in left_out]
    lines += [
        f"  {key} goes to {', '.join(models)}; the other models don't have or don't use it"
        for key, models in settings.items()
    ]
    total = estimates.left(unfinished, num_workers)
    unknown = sum(estimates.of(job) is None for job in unfinished)
    lines.append(
        f"{len(jobs)} run{'s' * (len(jobs) != 1)}: {len(jobs) - len(unfinished)} finished, "
        f"{len(unfinished)} to run on {workers}"
    )
    if unfinished:
        hint = f" ({unknown} of them unknown: no such run has finished on this hardware)" if unknown else ""
        lines.append(f"time in all: {'unknown' if total is None else 'about ' + duration(total)}{hint}")
    return lines


class Display:
    """Lines on standard output; on a terminal a bar, elsewhere a line every 30 s that says what runs.

    Args:
        total: Jobs in all.
        finished: Those that were finished before.
        estimates: How long jobs take; it learns from those that finish.
        places: How many run at once.
    """

    def __init__(self, total: int, finished: int, estimates: Estimates, places: int) -> None:
        self.total, self.done, self.here, self.elsewhere = total, finished, 0, 0
        self._estimates, self._places = estimates, places
        self._left: float | None = None
        self._last, self._told = 0.0, monotonic()
        self._remaining: dict[Job, Run | None] = {}
        self._bar = tqdm(
            total=total,
            initial=finished,
            unit="run",
            disable=None,
            file=sys.stderr,
            dynamic_ncols=True,
            bar_format="{n_fmt}/{total_fmt} runs |{bar}| {elapsed}{postfix}",
        )

    def finished(self, job: Job, record: Record, seconds: float | None) -> None:
        """Print the line of a finished job."""
        self.here, self.elsewhere = self.here + (seconds is not None), self.elsewhere + (seconds is None)
        if seconds is not None:
            self._estimates.measured(job, seconds)
        took = "by another process" if seconds is None else f"{seconds:.0f} s"
        mae = record.scores.average["MAE"]
        self._over(job, f"MAE {number(mae)}, {took}")

    def failed(self, failure: Failure) -> None:
        """Print the line of a failed job."""
        self._over(failure.job, f"FAILED, {failure.reason}")

    def waiting(self, job: Job) -> None:
        """Print that another process runs a job."""
        self._print(f"{job.title}: another process is at it; this sweep looks again")

    def lost(self, job: Job, reason: str) -> None:
        """Print that a job goes on elsewhere."""
        self._print(f"{job.title}: {reason}; it goes on from its last checkpoint elsewhere")

    def tick(self, remaining: Sequence[Job], running: Sequence[Run], places: int) -> None:
        """Bring the time left up to date, once a second."""
        running_by_job, self._places = {run.job: run for run in running}, max(places, 1)
        self._remaining = {job: running_by_job.get(job) for job in remaining}
        if monotonic() - self._last >= 1.0:
            self._last = monotonic()
            self._bar.set_postfix_str(f"{len(running)} running, left {self._outlook()}")
            setproctitle.setproctitle(f"sweep {self.done}/{self.total}, left {self._outlook()}")
        if self._bar.disable and monotonic() - self._told >= EVERY:
            titles = ", ".join(run.job.title for run in running) or "others wait for other processes"
            self._print(f"[{self.done}/{self.total}] {len(running)} running: {titles}; left {self._outlook()}")

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()

    def _over(self, job: Job, text: str) -> None:
        self.done += 1
        self._remaining.pop(job, None)
        self._bar.update()
        self._print(f"[{self.done}/{self.total}] {job.title}: {text}, left {self._outlook()}")

    def _outlook(self) -> str:
        spent = 0.0
        for job, run in self._remaining.items():
            if run is not None:
                spent += min(monotonic() - run.started, self._estimates.of(job) or 0.0)
        left = self._estimates.left(self._remaining, self._places, spent)
        return "unknown" if left is None else duration(left)

    def _print(self, line: str) -> None:
        self._told = monotonic()
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()


def failure_lines(failures: Sequence[Failure]) -> list[str]:
    """Return for every failed job why, the command that repeats it, and where its output is."""
    lines = []
    for failure in failures:
        lines += [f"{failure.job.title}: {failure.reason}", f"  {failure.command}"]
        if failure.log is not None:
            lines.append(f"  its output: {failure.log}")
    return lines
