"""What runs on a node of a cluster: one run's process in a folder of its own, whose files go to the driver."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from stlora_ext.files import not_a_link
from stlora_ext.options import PLUGINS
from stlora_ext.runs.provenance import COMMIT_VARIABLE
from stlora_ext.sweep.job import Job
from stlora_ext.sweep.process import LOG, JobProcess

_PREFIX = "stlora-cell-"
_TEXT = (".json", ".log")  # files that may name folders


@dataclass(frozen=True)
class Report:
    """News of a job.

    Attributes:
        code: Exit code of its process; None while it runs.
        output: What it has printed since the last report.
        files: Files of its run that are new since the last report, by their path in the results folder.
        record: Its record, once its process has ended well.
        reason: Why it failed; "" where it didn't.
    """

    code: int | None
    output: bytes
    files: dict[str, bytes]
    record: bytes | None
    reason: str


class Worker:
    """A job on a node; Ray makes an actor of it, in the unpacked repository.

    The process dies with the actor's, as with a local sweep's; the folder goes with the last report, or, after a
    worker that was killed, when the next one begins.
    """

    def start(
        self,
        job: Job,
        extra: Sequence[str],
        threads: int,
        files: Mapping[str, bytes],
        data: Mapping[str, bytes],
        driver_results: Path,
        driver_data: Path,
        commit: str | None,
        plugins: Mapping[str, bytes],
    ) -> Report:
        """Start the process.

        Args:
            job: The job.
            extra: What is added to its arguments.
            threads: CPU threads that it may use.
            files: Files to begin with, by their path in the results folder.
            data: Files of the prepared data set.
            driver_results: The driver's results folder, for messages.
            driver_data: The driver's folder of data sets, for messages.
            commit: The driver's commit: the nodes have the files without .git.
            plugins: The driver's plug-in file and modules beside it, by name, the file first; empty: none.
        """
        os.environ.update({COMMIT_VARIABLE: commit} if commit else {})
        self._folder, self._lock = _own_folder()
        self._results, dataset = self._folder / "results", self._folder / "data" / job.key.dataset
        sources = self._folder / "plugins"
        if plugins:
            os.environ[PLUGINS] = str(sources / next(iter(plugins)))
        for folder, given in ((self._results, files), (dataset, data), (sources, plugins)):
            for name, content in given.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
        self._names = {str(self._results): str(driver_results), str(dataset.parent): str(driver_data)}
        self._run, self._record = self._results / job.key.path, job.key.record_path(self._results)
        self._sent = {path: _state(path) for path in self._files()}
        self._printed = 0
        own = replace(job, arguments=_without_folders(job.arguments))
        self._process = JobProcess(
            own,
            [*extra, "--results", str(self._results), "--data", str(dataset.parent)],
            threads,
            Path.cwd(),
            self._results,
        )
        return self.report()

    def report(self) -> Report:
        """Return what is new, and clean up once the process has ended."""
        code = self._process.poll()  # first: what it writes from now on is for the next report
        files = {}
        for path in self._files():
            with suppress(FileNotFoundError):  # gone since
                state = _state(path)
                if self._sent.get(path) != state:
                    content = path.read_bytes()
                    files[str(path.relative_to(self._results))] = (
                        self._as_driver(content) if path.suffix in _TEXT else content
                    )
                    self._sent[path] = state
        output = self._process.log.read_bytes()
        report = Report(
            code,
            self._as_driver(output[self._printed :]),
            files,
            self._record.read_bytes() if code == 0 and self._record.exists() else None,
            self._as_driver(self._process.reason().encode()).decode() if code else "",
        )
        self._printed = len(output)
        if code is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._lock.close()
        return report

    def interrupt(self) -> None:
        """Let the process end as by Ctrl-C."""
        self._process.interrupt()

    def _files(self) -> list[Path]:
        """Return the run's files, ``last.pt`` first: ``best.pt`` may be newer than it, as after a kill, not older."""
        files = [
            path
            for path in sorted(self._run.rglob("*"))
            if path.is_file() and not path.name.startswith(".") and path.name != LOG
        ]
        return sorted(files, key=lambda path: path.name != "last.pt")

    def _as_driver(self, text: bytes) -> bytes:
        """Name the driver's folders where this worker's are named."""
        for own, drivers in self._names.items():
            text = text.replace(own.encode(), drivers.encode())
        return text


def _without_folders(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the arguments of ``run.py`` without the driver's paths, in whose place this worker's stand."""
    kept = list(arguments)
    for option in ("--results", "--data", "--plugins"):
        if option in kept:
            del kept[kept.index(option) : kept.index(option) + 2]
    return tuple(kept)


def _state(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _own_folder() -> tuple[Path, IO[str]]:
    """Return a new folder and its lock, once the folders of killed workers are gone."""
    for lock in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/lock"):
        with suppress(OSError), open(lock, "a", encoding="utf-8", opener=not_a_link) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    file = open(folder / "new", "w", encoding="utf-8")  # noqa: SIM115 (held until the job is over)
    fcntl.flock(file, fcntl.LOCK_EX)
    (folder / "new").rename(folder / "lock")  # held from the moment that others can see it
    return folder, file
