"""How long runs take, by the finished runs of the same model on the same data set and kind of hardware."""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable
from pathlib import Path
from statistics import fmean, median

from stlora_ext.errors import UserError
from stlora_ext.runs.key import RunKey
from stlora_ext.runs.record import Record
from stlora_ext.runs.store import read_record
from stlora_ext.sweep.job import Job

_START = 5.0  # seconds until a process has loaded torch


class Estimates:
    """Seconds per job.

    Args:
        results: Folder of the records.
        hardware: Kinds of hardware of the sweep's workers, as records name them.
    """

    def __init__(self, results: Path, hardware: Container[str]) -> None:
        self._results, self._hardware = results, hardware
        self._records: dict[str, list[Record]] = {}
        self._measured: dict[tuple[str, ...], list[float]] = defaultdict(list)

    def measured(self, job: Job, seconds: float) -> None:
        """Remember how long a job of this sweep took, from its process's start to its end."""
        self._measured[_kind(job.key)].append(seconds)

    def of(self, job: Job) -> float | None:
        """Return the seconds that the process of ``job`` will take; None where no such run has finished."""
        measured = self._measured[_kind(job.key)]
        if measured:
            return fmean(measured)
        recorded = self.recorded(job)
        return None if recorded is None else _START + recorded

    def recorded(self, job: Job, alike: Callable[[Record], bool] = lambda record: True) -> float | None:
        """Return the seconds that ``job`` will be trained, by finished runs of its kind; None where there are none.

        Epochs are those that runs of as many epochs at most needed, by early stopping; else all of them.

        Args:
            job: The job.
            alike: Whether a record of its kind counts.
        """
        kind = _kind(job.key)
        known = [record for record in self._of_dataset(job.key.dataset) if _kind(record.key) == kind and alike(record)]
        if not known:
            return None
        epochs = [
            record.training.epochs for record in known if record.configuration.training["num_epochs"] == job.epochs
        ]
        return median(record.training.seconds_per_epoch or 0.0 for record in known) * (
            median(epochs) if epochs else job.epochs
        )

    def left(self, jobs: Iterable[Job], workers: int, spent: float = 0.0) -> float | None:
        """Return the seconds until ``jobs`` are done; a job without an estimate counts as the mean of the others.

        Args:
            jobs: The jobs that aren't done, running ones included.
            workers: How many run side by side.
            spent: Seconds that running ones have run so far.

        Returns:
            float, optional: None where no job has an estimate.
        """
        estimates = [self.of(job) for job in jobs]
        known = [seconds for seconds in estimates if seconds is not None]
        if not known:
            return None if estimates else 0.0
        every = [fmean(known) if seconds is None else seconds for seconds in estimates]
        return max((sum(every) - spent) / min(workers, len(every)), 0.0)

    def _of_dataset(self, dataset: str) -> list[Record]:
        if dataset not in self._records:
            self._records[dataset] = []
            for path in sorted((self._results / dataset).glob("*/*.json")):
                try:
                    record = read_record(path)
                except (UserError, OSError):
                    continue
                if record.provenance.hardware in self._hardware and record.training.seconds_per_epoch is not None:
                    self._records[dataset].append(record)
        return self._records[dataset]


def _kind(key: RunKey) -> tuple[str, ...]:
    return key.dataset, key.model, key.protocol
