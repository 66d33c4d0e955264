"""The process of one run: started so that it never outlives the sweep, stopped cleanly, its end explained."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from stlora_ext.bound import bound_to, end_of
from stlora_ext.sweep.job import Job

LOG = "sweep.log"
_TAKEN = "error: another process is running "  # what run.py says
_FOUND = "already finished, not repeated"


def shell_command(job: Job, extra: Sequence[str]) -> str:
    """Return the command that runs ``job`` alone, as a user gives it."""
    return shlex.join(["python", *job.arguments, *extra])


class JobProcess:
    """A running job.

    Args:
        job: The job.
        extra: What the worker adds to its arguments.
        threads: CPU threads that it may use.
        root: The repository.
        results: Folder of runs and records.
    """

    def __init__(self, job: Job, extra: Sequence[str], threads: int, root: Path, results: Path) -> None:
        self.job, self.log = job, results / job.key.path / LOG
        self.command = shell_command(job, extra)
        self.started = time.monotonic()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
        with open(self.log, "ab") as log:
            log.write(f"$ {self.command}    # {time.strftime('%Y-%m-%d %H:%M:%S')}\n".encode())
            log.flush()
            self._begin = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, *job.arguments, *extra],
                cwd=root,
                env={**os.environ, **limits},
                process_group=0,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=bound_to(os.getpid()),
            )

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        return self.process.poll()

    def output(self) -> list[str]:
        """Return the lines that it has printed so far."""
        with open(self.log, "rb") as log:
            log.seek(self._begin)
            return log.read().decode("utf-8", "replace").splitlines()

    def taken(self) -> bool:
        """Whether it ended at once because another process runs the job."""
        return self.poll() == 2 and any(line.startswith(_TAKEN) for line in self.output())

    def found(self) -> bool:
        """Whether it found the job finished, by another process that ended just before it began."""
        return any(_FOUND in line for line in self.output())

    def lost(self) -> bool:
        """Whether its machine was lost with it: never, it runs on the sweep's own."""
        return False

    def reason(self) -> str:
        """Say in a line why it failed."""
        code, lines = self.poll(), [line for line in self.output() if line.strip()]
        if code is not None and code < 0:
            return end_of(code)
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return errors[-1] if errors else f"{lines[-1].strip() if lines else 'it said nothing'} (exit code {code})"

    def interrupt(self) -> None:
        """Let it end as by Ctrl-C; it keeps its last checkpoint."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End it at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self.poll() is None:
            os.killpg(self.process.pid, number)
