"""One update of an adapter in service: that of protocol ``stream``, on the last rows of a file."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from basicts.utils import RunnerStatus

from stlora_ext.data.local_time import row_axis
from stlora_ext.data.prepared import Meta, missing
from stlora_ext.data.series import Series
from stlora_ext.errors import UserError
from stlora_ext.horizons import in_words
from stlora_ext.host.devices import use_device
from stlora_ext.host.logs import close_run_log, quiet_host_loggers
from stlora_ext.host.metrics import MetricSums
from stlora_ext.host.splits import place_split
from stlora_ext.lora.files import load_moments, save_adapter
from stlora_ext.lora.model import STLoRA
from stlora_ext.preparation.recent import stamps
from stlora_ext.runs.adapter_runner import FORECAST
from stlora_ext.runs.build import host_config
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.recent_forecasts import RecentForecasts
from stlora_ext.runs.service import Service, Start, damaged
from stlora_ext.runs.stream_runner import StreamAdapterRunner
from stlora_ext.weights import bare_state_dict, load_weights

if TYPE_CHECKING:
    import pandas as pd

Readings = Callable[[int, str], "tuple[np.ndarray, pd.DatetimeIndex]"]


@dataclass(frozen=True)
class Updated:
    """What an update did.

    Attributes:
        index: Of the update.
        until: Time of the last row.
        new: Readings that no earlier update has seen.
        before: MAE over the newest day before the update, in original units; None without a reading to compare with.
        after: The same after it.
        size: Bytes of the file.
    """

    index: int
    until: "pd.Timestamp"
    new: int
    before: float | None
    after: float | None
    size: int


class LastWindows(Series):
    """The windows of the last rows of a series.

    A block of the walk that these rows hold in part is filled up with the nearest window: in a batch of another size
    the same forecasts are rounded otherwise, and training spreads that.
    """

    @property
    def end(self) -> int:
        """The end of the windows."""
        return self.first + self._batches.num_windows

    def batch(self, windows: slice | torch.Tensor) -> dict[str, torch.Tensor]:
        """Return windows as a model gets them."""
        if isinstance(windows, slice):
            windows = torch.arange(windows.start, windows.stop).clamp(self.first, self.end - 1)
        return super().batch(windows)


class ServiceRunner(StreamAdapterRunner):
    """Updates an adapter once, with the rows of a file in place of a data set's."""

    series: LastWindows

    def take(self, start: Start) -> None:
        """Take the model, its scaler and the state of the optimizer."""
        if isinstance(start.model, STLoRA):
            load_weights(self.model, bare_state_dict(start.model), start.source)
            self.model.added = start.model.added
        else:
            load_weights(self.model.backbone, bare_state_dict(start.model), start.source)
        self.scaler.stats = start.stats
        self.begin_updates()
        if start.moments is not None:
            load_moments(self.optimizer, self.model, start.moments)
            if not self.optimizer.state:
                raise damaged(start.moments, f"{start.service.update} updates, none of Adam's moments")

    def see(self, values: np.ndarray, times: "pd.DatetimeIndex", meta: Meta) -> None:
        """Take the rows; windows have the numbers that they have in the data set.

        Args:
            values: Readings ``[rows, N]`` in original units, NaN where missing.
            times: Those of the rows, an interval apart.
            meta: The data set.
        """
        split = place_split(values, stamps(times, meta), self.scaler, meta.null_val, self.device, self.run_dir)
        first = int((times[0] - row_axis(meta, [0])[0]).total_seconds() // meta.interval_seconds)
        test, size = meta.windows["train"] + meta.windows["val"], self.cfg.test_batch_size
        first += max(0, -(first // size)) * size  # rows before the data set's own count from 0 on too
        self.series = LastWindows(split, meta.input_len, meta.output_len, first, self.device)
        end = max(self.series.end, sum(meta.windows.values()))
        self.recent = RecentForecasts(self._of_backbone, test, size, first, len(values), end)

    @torch.no_grad()
    def error(self, begin: int, end: int) -> float | None:
        """Return the MAE of the windows from ``begin`` to ``end``, in original units; None without a target."""
        assert self.recent is not None
        sums = MetricSums(self.series.output_len, self.cfg.num_nodes, self.device)
        self.status = RunnerStatus.EVALUATING
        self.model.eval()
        for at in range(begin, end, self.cfg.test_batch_size):
            stop = min(at + self.cfg.test_batch_size, end)
            batch = self.series.batch(slice(at, stop))
            self.recent.extend(stop)
            batch[FORECAST] = self.recent.of(torch.arange(at, stop))
            sums.update(self._forecast(batch, 0)["prediction"], batch["targets"], batch["targets_mask"])
        return sums.average()["MAE"]


def for_new_sensors(start: Start) -> str:
    """Return what to do about a sensor that the model doesn't know, as the end of a message."""
    if isinstance(start.model, STLoRA):
        return "; leave an unknown column out, or add its sensor first, with --add-sensors"
    return "; leave an unknown column out of this first update, then add its sensor to the new file with --add-sensors"


def update_service(
    start: Start, read: Readings, output: Path, data: Path, gpus: str | None = None, again: bool = False
) -> Updated:
    """Update an adapter once and write its new service file.

    Args:
        start: What the update goes on from.
        read: Returns readings and times of the last rows of the input, given how many, and what for.
        output: The new file.
        data: Folder of the prepared data sets.
        gpus: Number of the GPU; None or "": CPU.
        again: Whether an input without new readings is taken.

    Raises:
        UserError: If the input lacks rows, brings nothing new or nothing to learn from, or the update diverges;
            nothing is written then.
    """
    if start.exp.stream.steps == 0:
        raise UserError("stream.steps=0: an update of no steps changes nothing; give --set stream.steps=20")
    quiet_host_loggers()
    use_device(gpus)
    with tempfile.TemporaryDirectory() as folder:
        cfg = host_config(start.exp, start.meta, start.service.seed, RunOptions(data, gpus=gpus), Path(folder))
        runner = ServiceRunner(cfg)
        try:
            return _update(runner, start, read, output, again)
        finally:
            close_run_log(runner.logger)


def _update(runner: ServiceRunner, start: Start, read: Readings, output: Path, again: bool) -> Updated:
    meta, service = start.meta, start.service
    rows = runner.memory + meta.input_len
    why = f"the memory of {start.exp.stream.memory:g} days (stream.memory) and an input of {meta.input_len} rows"
    values, times = read(rows, why)
    new = _new_readings(service, meta, values, times, start.source, again)
    runner.take(start)
    runner.see(values, times, meta)
    began, index, now = time.monotonic(), service.update, runner.series.first + len(values)
    end = runner.series.end
    newest = max(min(now - meta.steps_per_day - meta.input_len, end - 1), runner.series.first)
    before = runner.error(newest, end)
    runner.update_model(index, now)
    if runner.losses[-1] is None:
        raise UserError(
            f"nothing to learn from: the memory of {in_words(runner.memory * meta.interval_seconds)} before "
            f"{times[-1]} holds no window of {meta.input_len} + {meta.output_len} rows with a reading to forecast; "
            "bring rows with readings, or a longer memory, --set stream.memory=DAYS"
        )
    after = runner.error(newest, end)
    if after is not None and not np.isfinite(after):
        raise UserError(
            f"{start.title}: after update {index} the model forecasts NaN or infinity; lower the learning rate "
            "(--set stream.lr=...) or look for extreme readings in the input; nothing was written"
        )
    done = {
        "index": index,
        "until": times[-1].isoformat(),
        "readings": new,
        "loss": runner.losses[-1],
        "seconds": round(time.monotonic() - began, 3),
    }
    described: dict[str, Any] = replace(service, update=index + 1, updates=[*service.updates, done]).as_dict()
    size = save_adapter(
        runner.model,
        output,
        scaler=runner.scaler.stats,
        data_fingerprint=meta.fingerprint,
        origin=start.origin,
        optimizer=runner.optimizer,
        service=described,
    )
    return Updated(index, times[-1], new, before, after, size)


def _new_readings(
    service: Service, meta: Meta, values: np.ndarray, times: "pd.DatetimeIndex", source: Path, again: bool
) -> int:
    """Count the readings that no earlier update has seen; none is refused unless ``again``."""
    seen = service.seen_until(meta, source)
    rows = slice(None) if seen is None else np.asarray(times > seen)
    new = int((~missing(values[rows], meta.null_val)).sum())
    if new or again:
        return new
    if seen is None:
        raise UserError(f"the {len(values)} rows up to {times[-1]} hold no reading at all: bring rows with readings")
    raise UserError(
        f"the input ends at {times[-1]} and holds no reading after {seen}, up to which {source} has been updated: "
        "bring newer readings, go on from an older file, or give --again to update with the same ones once more"
    )
