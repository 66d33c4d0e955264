"""A sweep on a Ray cluster: a run is an actor on some node; its checkpoints and its record come to the driver.

Nodes share nothing with the driver: the code goes to them by Ray's ``working_dir``, the data set and what a run goes
on from through its object store, and the run's files come back while it runs, into the driver's results folder. So a
run whose node is lost goes on elsewhere from its last checkpoint, and any later sweep goes on from there, too.
"""

import importlib.util
import json
import socket
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from stlora_ext.config.plugins import plugin_sources
from stlora_ext.errors import UserError
from stlora_ext.files import atomic_path
from stlora_ext.host.progress_files import PROGRESS, drop_progress
from stlora_ext.runs.key import CHECKPOINT
from stlora_ext.runs.lock import locked
from stlora_ext.runs.provenance import git_commit
from stlora_ext.runs.record import Record
from stlora_ext.runs.store import write_record
from stlora_ext.sweep.job import Job
from stlora_ext.sweep.process import LOG, shell_command
from stlora_ext.sweep.ray_worker import Report, Worker

_EVERY = 1.0  # seconds between reports of a job
_LOOK = 2.0  # seconds between looks at the cluster's nodes
_REACH = 5.0  # seconds to reach the cluster's head
_LOSSES = 3  # a job is given up when its worker is lost that often without a new checkpoint between
_NOT_SHIPPED = [".git", ".venv", "tests", "docs", "benchmarks", "results", "/datasets/*/*.npy", "/datasets/*/*.npz"]


class RayEngine:
    """Places on the nodes of a cluster.

    Args:
        address: Of a running cluster: ``auto``, ``HOST:PORT`` or ``ray://HOST:PORT``.
        threads: CPUs of a job.
        gpus: Its GPUs, 1 or a share of one; 0: the CPU.
        most: Jobs at once at most; None: as many as the cluster's nodes hold.
        root: The repository.
        data: Folder of the prepared data sets.
        results: Folder of runs and records.

    Raises:
        UserError: If Ray isn't installed, no such cluster answers, or none of its nodes holds a job.
    """

    def __init__(
        self, address: str, threads: int, gpus: float, most: int | None, root: Path, data: Path, results: Path
    ) -> None:
        self._ray = connect(address, root)
        self._threads, self._gpus, self._most, self._data, self._results = threads, gpus, most, data, results
        self._extra = [*(["--gpus", "0"] if gpus else []), "--threads", str(threads)]  # Ray shows a job its own GPU
        self._commit = git_commit(root)
        self._datasets: dict[str, Any] = {}
        self._losses: Counter[Job] = Counter()
        self._looked, self._places = float("-inf"), 0
        if not self.places():
            self.close()
            raise UserError(
                f"--ray {address}: no node of this cluster has the {self.share()} of a run: ask for less "
                "(--threads, --gpus-per-cell), or say with --jobs how many runs to ask for at once from "
                "a cluster that grows"
            )

    def places(self) -> int:
        """Return how many jobs the nodes that are alive hold, or the number that was given."""
        if self._most is not None:
            return self._most
        if time.monotonic() - self._looked >= _LOOK:
            self._places = sum(self._holds(node["Resources"]) for node in self._ray.nodes() if node["Alive"])
            self._looked = time.monotonic()
        return self._places

    def start(self, job: Job) -> "RayRun | None":
        """Ask the cluster for ``job``; None where another process has just taken or finished it."""
        with ExitStack() as held:
            try:
                held.enter_context(locked(self._results / job.key.path))
            except UserError:
                return None
            if job.record(self._results) is not None:
                return None
            actor = self._ray.remote(Worker).options(num_cpus=self._threads, num_gpus=self._gpus).remote()
            first = actor.start.remote(
                job,
                self._extra,
                self._threads,
                self._files(job),
                self._dataset(job.key.dataset),
                self._results,
                self._data,
                self._commit,
                plugin_sources(),
            )
            return RayRun(self._ray, job, actor, first, self.command(job), self._results, self._losses, held.pop_all())

    def command(self, job: Job) -> str:
        """Return the command that runs ``job`` alone, here."""
        return shell_command(job, self._extra)

    def share(self) -> str:
        """Say what a job gets: "2 CPUs and 1 GPU"."""
        return f"{self._threads} CPU{'s' * (self._threads > 1)}" + (f" and {self._gpus:g} GPU" if self._gpus else "")

    def close(self) -> None:
        """Leave the cluster."""
        self._ray.shutdown()

    def _holds(self, resources: dict[str, float]) -> int:
        cpus = int(resources.get("CPU", 0) / self._threads)
        return min(cpus, int(resources.get("GPU", 0) / self._gpus + 1e-6)) if self._gpus else cpus

    def _dataset(self, name: str) -> Any:
        """Return the data set's files, as an object that the cluster holds once."""
        if name not in self._datasets:
            folder = self._data / name
            self._datasets[name] = self._ray.put(
                {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
            )
        return self._datasets[name]

    def _files(self, job: Job) -> dict[str, bytes]:
        """Return what is there of the job's run, and of the base run whose weights it adapts."""
        run = self._results / job.key.path
        paths = [path for path in run.rglob("*") if path.name != LOG and not path.name.startswith(".")]
        paths.append(job.key.record_path(self._results))
        if job.needs is not None:
            paths += [self._results / job.needs.path / CHECKPOINT, job.needs.record_path(self._results)]
        return {str(path.relative_to(self._results)): path.read_bytes() for path in paths if path.is_file()}


class RayRun:
    """A job on the cluster, seen from the driver, which holds the lock of its folder."""

    def __init__(
        self, ray: Any, job: Job, actor: Any, first: Any, command: str, results: Path, losses: Counter, held: ExitStack
    ) -> None:
        self.job, self.command, self.log = job, command, results / job.key.path / LOG
        self.started = time.monotonic()
        self._ray, self._actor, self._results, self._losses = ray, actor, results, losses
        self._held = held
        self._answer, self._asked, self._runs = first, 0.0, False
        self._code: int | None = None
        self._reason, self._was_lost = "", False

    def poll(self) -> int | None:
        """Take in what the worker reports; return the exit code, None while it runs."""
        if self._code is not None:
            return self._code
        if self._answer is None and time.monotonic() - self._asked >= _EVERY:
            self._asked = time.monotonic()
            self._answer = self._actor.report.remote()
        if self._answer is not None and self._ray.wait([self._answer], timeout=0)[0]:
            self._take()
        return self._code

    def taken(self) -> bool:
        """Whether another process runs the job: never, the driver has its lock."""
        return False

    def found(self) -> bool:
        """Whether another process had finished the job: never, for the same reason."""
        return False

    def lost(self) -> bool:
        """Whether its worker was lost, and it is worth another one."""
        return self._was_lost and self._losses[self.job] < _LOSSES

    def reason(self) -> str:
        """Say in a line why it failed."""
        return self._reason

    def interrupt(self) -> None:
        """Let it end as by Ctrl-C; what waits for a place is given up."""
        if self._runs:
            self._actor.interrupt.remote()
            self._asked = 0.0
        else:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self._end(-9, "killed")

    def _take(self) -> None:
        answer, self._answer = self._answer, None
        try:
            report = self._ray.get(answer)
        except self._ray.exceptions.RayTaskError as error:  # of the worker's own code, such as a full disk
            self._end(1, f"on its node: {_first_line(error.cause or error)}")
            return
        except self._ray.exceptions.RayError as error:
            self._was_lost = True
            self._losses[self.job] += 1
            times = self._losses[self.job]
            self._end(
                1,
                "its worker was lost"
                + (f" {times} times without a new checkpoint between" if times > 1 else "")
                + f" ({_first_line(error)})",
            )
            return
        if not self._runs:
            self._runs, self.started = True, time.monotonic()
        self._keep(report)
        if report.code is not None:
            self._end(report.code, report.reason)

    def _keep(self, report: Report) -> None:
        """Write a report's files, ``last.pt`` last and the record after it, each whole or not at all."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as log:
            log.write(report.output)
        for name, content in reversed(report.files.items()):
            with atomic_path(self._results / name) as temporary:
                temporary.write_bytes(content)
        if any(Path(name).name in PROGRESS for name in report.files):
            del self._losses[self.job]
        if report.record is not None:
            write_record(Record.of(json.loads(report.record)), self._results)
            drop_progress(self._results / self.job.key.path)

    def _end(self, code: int, reason: str) -> None:
        self._code, self._reason = code, reason
        self._ray.kill(self._actor)
        self._held.close()


def connect(address: str, root: Path) -> Any:
    """Return the module ``ray``, connected.

    Args:
        address: Of the cluster.
        root: The repository, which its nodes get.

    Raises:
        UserError: If Ray isn't installed, or no such cluster answers.
    """
    if importlib.util.find_spec("ray") is None:
        raise UserError("--ray: the package ray is not installed; pip install -c constraints.txt ray")
    import ray

    remedy = "start one with 'ray start --head', name a running one, or leave --ray out"
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address != "auto":
        try:  # Ray itself tries for minutes
            socket.create_connection((host, int(port)), _REACH).close()
        except (OSError, ValueError, OverflowError) as error:
            raise UserError(
                f"--ray {address}: no cluster answers there ({error}); expected auto, HOST:PORT or "
                f"ray://HOST:PORT; {remedy}"
            ) from None
    try:
        ray.init(
            address,
            runtime_env={"working_dir": str(root), "excludes": _NOT_SHIPPED},
            log_to_driver=False,
            logging_level="ERROR",
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(f"--ray {address}: cannot join the cluster ({_first_line(error)}); {remedy}") from None
    return ray


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
