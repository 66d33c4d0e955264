"""A trained model updated while its data go on: protocol ``stream``.

The test split is walked in periods. At the start of each the model takes a few steps of Adam on windows of the recent
past; then it forecasts the period. Where an adapter is updated, the frozen backbone forecasts each window once.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from basicts.runners.builder import Builder
from basicts.utils import BasicTSMode, RunnerStatus

from stlora_ext.config.stream import StreamSettings
from stlora_ext.data.series import Series, joined
from stlora_ext.errors import UserError
from stlora_ext.host.checkpoint import load_checkpoint, save_checkpoint
from stlora_ext.host.forecasts import forecast_writer
from stlora_ext.host.logs import close_run_log
from stlora_ext.host.metrics import MetricSums
from stlora_ext.host.progress_files import check_progress, identity
from stlora_ext.host.randomness import derive_seed, seed_everything
from stlora_ext.host.runner import FORECASTS, HostRunner
from stlora_ext.host.splits import place_split
from stlora_ext.lora.model import STLoRA
from stlora_ext.runs.adapter_runner import FORECAST, STLoRAForecastingConfig, STLoRARunnerMixin
from stlora_ext.runs.recent_forecasts import RecentForecasts
from stlora_ext.weights import bare_state_dict, load_weights

SAVE_EVERY = 5.0  # seconds between two states that a killed run goes on from
TAIL = "tail.pt"  # the state before the last periods, kept to verify the run by them
_DAY = 86400.0  # seconds
_KEPT = ("optim_state_dict", "sums", "pending", "losses", "seconds")
_MODES = (BasicTSMode.TRAIN, BasicTSMode.VAL, BasicTSMode.TEST)


@dataclass(init=False)
class StreamForecastingConfig(STLoRAForecastingConfig):
    """Configuration of a run under protocol ``stream``; ``adapter`` is None where no adapter is updated."""

    arm: Literal["base", "plus", "control", "wide", "finetune"] = field(
        default="plus", metadata={"help": "What is updated: nothing, the adapter, or every weight of the backbone."}
    )
    stream: StreamSettings = field(default=None, metadata={"help": "How it is updated."})  # type: ignore
    interval: float = field(default=None, metadata={"help": "Seconds of a step."})  # type: ignore
    adapter_from: str | None = field(default=None, metadata={"help": "Checkpoint of the adapter that it starts from."})

    def _get_md5(self, serialized: dict) -> str:
        # The key names the arm, and the backbone's hash covers where an adapted adapter came from.
        left = {name: value for name, value in serialized.items() if name not in ("arm", "interval", "adapter_from")}
        stream = self.stream.named(self.arm)
        return super()._get_md5({**left, "stream": stream, "adapter": serialized["adapter"] or {}})


if TYPE_CHECKING:
    _Host = HostRunner  # what the mixin is put over
else:
    _Host = object


def is_updated(arm: str, stream: StreamSettings) -> bool:
    """Return whether anything is updated."""
    return arm != "base" and stream.steps > 0


def memory_rows(stream: StreamSettings, interval: float) -> int:
    """Return how many rows, ``interval`` seconds apart, an update's windows lie in."""
    return max(1, round(stream.memory * _DAY / interval))


def tail_periods(periods: int) -> int:
    """Return how many of the last periods a run is verified by: a twentieth."""
    return -(-periods // 20)


class StreamRunnerMixin(_Host):
    """Walks the test split instead of training: an update, then a period's forecasts, period after period.

    Windows are numbered by their first row in the whole series. After ``train()`` ``test_result`` holds the scores,
    ``losses`` the mean training loss of each update (None where there was nothing to learn from) and ``seconds`` what
    each took.
    """

    cfg: StreamForecastingConfig
    span, rate = "period", "stream.lr"

    def __init__(self, cfg: StreamForecastingConfig) -> None:
        super().__init__(cfg)
        stream = cfg.stream
        self.every = stream.every or max(1, round(_DAY / cfg.interval))
        self.memory = memory_rows(stream, cfg.interval)
        self.batch_size = stream.batch_size or cfg.train_batch_size
        self.updates = is_updated(cfg.arm, stream)
        self.losses: list[float | None] = []
        self.seconds: list[float] = []
        self.per_node: list[torch.nn.Parameter] = []

    # ---- the walk ------------------------------------------------------------------------------------

    def train(self) -> None:
        """Walk the test split.

        Raises:
            UserError: If the folder holds progress of another run, or an update diverges.
        """
        try:
            check_progress(self.run_dir, self.cfg)
            self.start()
            self.open_series()
            self._walk()
        except BaseException:
            self.logger.exception("the run ended early")
            raise
        finally:
            close_run_log(self.logger)

    def start(self) -> None:
        """Take the trained backbone, and the adapter that is started from, and build the optimizer."""
        path = Path(str(self.cfg.backbone_from))
        trained = load_checkpoint(path, self.device, ("model_state_dict", "scaler_stats"))
        model: torch.nn.Module = self.model
        load_weights(model.backbone if isinstance(model, STLoRA) else model, trained["model_state_dict"], path)
        self.scaler.stats, self.best_metrics = trained["scaler_stats"], {}
        if self.cfg.adapter_from is not None:
            start = Path(self.cfg.adapter_from)
            load_weights(model, load_checkpoint(start, self.device)["model_state_dict"], start)
        if self.updates:
            self.begin_updates()

    def begin_updates(self) -> None:
        """Build the optimizer, which the updates keep."""
        model: torch.nn.Module = self.model
        self.optimizer = self._build_optimizer()
        self._split_steps()
        if self.cfg.stream.node_decay and isinstance(model, STLoRA):
            self.per_node = model.adapter.per_node()

    def _build_optimizer(self) -> torch.optim.Optimizer:
        settings = dict(self.cfg.optimizer_params)
        if isinstance(self.model, STLoRA):
            groups = {"params": list(self.model.adapter.parameters()), "weight_decay": 0.0}
            return self.cfg.optimizer([groups], **{**settings, "lr": self.cfg.stream.of_adapter().lr})
        lr = self.cfg.stream.lr or settings["lr"] / 10
        return self.cfg.optimizer(self.model.parameters(), **{**settings, "lr": lr})

    def open_series(self) -> None:
        """Read the series: the test split, and the memory of the first update before it."""
        datasets = [Builder._build_dataset(self.cfg, mode) for mode in _MODES]
        input_len, output_len = datasets[0].input_len, datasets[0].output_len
        counts = [len(dataset.data) - input_len - output_len + 1 for dataset in datasets]
        self.size = self.cfg.test_batch_size
        self.test = counts[0] + counts[1]
        self.end = self.test + counts[2]
        first = max(0, self.test - -(-self.memory // self.size) * self.size)  # windows before it are never drawn
        split = place_split(
            joined([dataset.data for dataset in datasets], counts, first),
            joined([dataset.timestamps for dataset in datasets], counts, first) if datasets[0].use_timestamps else None,
            self.scaler,
            self.cfg.null_val,
            self.device,
            self.run_dir,
        )
        self.series = Series(split, input_len, output_len, first, self.device)

    def _walk(self) -> None:
        windows = self.end - self.test
        self.sums = MetricSums(self.series.output_len, self.series.num_nodes, self.device, self.every)
        self.pending: dict[int, torch.Tensor] = {}  # forecasts of batches that the next period goes on with
        done = (
            0 if self.save_results else self._resume()
        )  # progress holds no forecasts: they are made from the first on
        self.recent = self.forecasts_from(done)
        periods = -(-windows // self.every)
        saved = time.monotonic()
        if not self.processes.main:  # it helps with the updates alone
            self._periods(range(done, periods), periods, saved)
            return
        if self.save_results:
            with forecast_writer(self.run_dir / FORECASTS, windows) as self.write:
                self._periods(range(periods), periods, saved)
        else:
            self._periods(range(done, periods), periods, saved)
        self._refuse_unscored(self.sums)
        self.test_result = self.sums.result()
        self.epoch = periods
        self._save_best(None)

    def _periods(self, todo: Iterable[int], periods: int, saved: float) -> None:
        first, tail = min(todo, default=periods), periods - tail_periods(periods)
        for period in self.progress.over(todo, "stream", periods, first, "period", whole=True):
            begin = self.test + period * self.every
            self.epoch = period + 1
            if self.updates and period == tail and self.processes.main:
                self._save_state(self.run_dir / TAIL, period)
            if self.updates:
                self.update_model(period, begin + self.series.input_len)
            if not self.processes.main:
                continue
            self._forecast_period(begin, min(begin + self.every, self.end))
            if time.monotonic() - saved >= SAVE_EVERY and period + 1 < periods:
                self._save_model(period + 1)
                saved = time.monotonic()

    # ---- an update -----------------------------------------------------------------------------------

    def update_model(self, index: int, now: int) -> None:
        """Update the model with what is known at the start of a period.

        Args:
            index: Of the update, from 0 on; it seeds what is drawn.
            now: The period's first row: readings from it on aren't known yet.

        Raises:
            UserError: If the loss is no number any more.
        """
        started = time.monotonic()
        series, stream = self.series, self.cfg.stream
        known = series.with_target(max(0, now - self.memory), now - series.input_len - series.output_len + 1)
        if not len(known):
            self.losses.append(None)
            return
        if self.recent is not None:
            self.recent.extend(int(known[-1]) + 1)
        generator = torch.Generator().manual_seed(derive_seed(self.cfg.seed, "stream draws", index))
        drawn = torch.rand(stream.steps, self.batch_size, generator=generator, dtype=torch.float64)
        places = (drawn ** (1 / stream.recency) * len(known)).long().clamp_(max=len(known) - 1)
        self.status = RunnerStatus.TRAINING
        self.model.train()
        if self.split is not None:
            self.split.prepare(self._batch_of(known[places[0]]))
        own = self.processes.purpose
        seed_everything(derive_seed(self.cfg.seed, "stream dropout", index, *own))
        if isinstance(self.model, STLoRA):
            self.model.adapter.dropout.reseed(derive_seed(self.cfg.seed, "stream adapter dropout", index, *own))
            self.model.adapter.row_dropout.reseed(derive_seed(self.cfg.seed, "stream adapter row dropout", index))
        total = torch.zeros((), device=self.device)
        for windows in known[places]:
            self.global_steps += 1
            total += self._passes(self._batch_of(windows))
            self.callback_handler.trigger("on_optimizer_step", self)
            self.optimizer.step()
            self.optimizer.zero_grad()
            for parameter in self.per_node:
                parameter.data.mul_(1 - self.optimizer.param_groups[0]["lr"] * stream.node_decay)
        loss = total.item() / stream.steps
        if not np.isfinite(loss):
            raise UserError(
                f"{self.title}: the loss of update {index} became {loss} "
                f"(lr {self.optimizer.param_groups[0]['lr']:g}); lower it (--set stream.lr=...) or look for extreme "
                "readings in the data; earlier results are untouched"
            )
        self.losses.append(float(f"{loss:.6g}"))
        self.seconds.append(time.monotonic() - started)

    def _batch_of(self, windows: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return windows as a step gets them, with the frozen backbone's forecasts."""
        batch = self.series.batch(windows)
        if self.recent is not None:
            batch[FORECAST] = self.recent.of(windows)
        return batch

    # ---- forecasts -----------------------------------------------------------------------------------

    @torch.no_grad()
    def _forecast_period(self, begin: int, end: int) -> None:
        """Forecast the windows from ``begin`` to ``end``, in the batches of the static test.

        A batch that two periods share is computed in both, and each keeps its own windows.
        """
        self.status = RunnerStatus.EVALUATING
        self.model.eval()
        first = self.test + (begin - self.test) // self.size * self.size
        for at in range(first, end, self.size):
            stop = min(at + self.size, self.end)
            batch = self.series.batch(slice(at, stop))
            if self.recent is not None:
                self.recent.extend(stop)
                batch[FORECAST] = self.recent.of(torch.arange(at, stop))
            made = self._forecast(batch, 0)["prediction"]
            own = slice(max(begin, at) - at, min(end, stop) - at)
            self.pending.setdefault(at, torch.empty_like(made))[own] = made[own]
            if end >= stop:
                prediction = self.pending.pop(at)
                self.sums.update(prediction, batch["targets"], batch["targets_mask"])
                if self.save_results:
                    self.write(
                        inputs=self.scaler.inverse_transform(batch["inputs"], batch["inputs_mask"]),
                        prediction=prediction,
                        targets=batch["targets"],
                        targets_mask=batch["targets_mask"],
                    )

    def forecasts_from(self, period: int) -> RecentForecasts | None:
        """Return the frozen backbone's forecasts, as a period needs them; None where every weight is updated."""
        if self.cfg.arm == "finetune":
            return None
        begin = self.test + period * self.every
        memory = max(0, self.memory - self.series.input_len) if self.updates else 0  # windows before it, if there are
        kept = min(memory, self.end) + self.every
        return RecentForecasts(self._of_backbone, self.test, self.size, begin - memory, kept, self.end)

    @torch.no_grad()
    def _of_backbone(self, begin: int, end: int) -> torch.Tensor:
        """Return the frozen backbone's forecasts of the windows from ``begin`` to ``end``, normalised."""
        status, training, self.status = self.status, self.model.training, RunnerStatus.EVALUATING
        self.model.eval()
        batch = self.series.batch(slice(begin, end))
        with self.autocast():
            forecast = self._forward_backbone(batch)
        self.model.train(training)
        self.status = status
        return forecast

    def _forward_backbone(self, batch: dict[str, Any]) -> torch.Tensor:
        return super()._forward(self.model, batch, 0)["prediction"]

    def _forward(
        self, model: torch.nn.Module, data: dict[str, Any], step: int, epoch: int | None = None
    ) -> dict[str, Any]:
        if FORECAST in data and not isinstance(model, STLoRA):  # the base arm's
            return {**data, "prediction": data[FORECAST]}
        return super()._forward(model, data, step, epoch)

    # ---- what a killed run goes on from --------------------------------------------------------------

    def _save_model(self, epoch: int) -> None:
        self._save_state(self.last_path, epoch)

    def _save_state(self, path: Path, done: int) -> None:
        """Write what the walk goes on from after ``done`` periods."""
        save_checkpoint(
            {
                "epoch": done,
                "model_state_dict": bare_state_dict(self.model),
                "optim_state_dict": self.optimizer.state_dict() if self.updates else {},
                "sums": self.sums.state_dict(),
                "pending": dict(self.pending),
                "losses": self.losses,
                "seconds": self.seconds,
                **identity(self.cfg),
            },
            path,
        )

    def _resume(self) -> int:
        """Restore what ``last.pt`` holds, and return how many periods are done."""
        if not self.last_path.exists():
            return 0
        state = load_checkpoint(self.last_path, self.device, ("model_state_dict", *_KEPT))
        load_weights(self.model, state["model_state_dict"], self.last_path)
        try:
            if self.updates:
                self.optimizer.load_state_dict(state["optim_state_dict"])
            self.sums.load_state_dict(state["sums"])
            self.pending, self.losses, self.seconds = (
                dict(state["pending"]),
                list(state["losses"]),
                list(state["seconds"]),
            )
        except UserError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            reason = f"{type(error).__name__}: {str(error)[:100]}"
            raise UserError(
                f"checkpoint {self.last_path} is damaged ({reason}): delete it to start this run again"
            ) from None
        self.logger.info("resumed after period %d", state["epoch"])
        return state["epoch"]

    def summary(self) -> dict[str, Any]:
        """Return what a record says of the walk, besides its scores."""
        return {
            "every": self.every,
            "periods": -(-(self.end - self.test) // self.every),
            "updates": len(self.seconds),
            "seconds_per_update": median(self.seconds) if self.seconds else None,
            "loss": self.losses,
            "parameters_updated": sum(p.numel() for p in self.model.parameters() if p.requires_grad and self.updates),
        }


class StreamAdapterRunner(StreamRunnerMixin, STLoRARunnerMixin, HostRunner):
    """Updates the adapter of a frozen backbone."""

    def _forward_backbone(self, batch: dict[str, Any]) -> torch.Tensor:
        with self.model.disable_adapter(), self.model.unfrozen_kernels():  # as in the static test, to the bit
            return super()._forward_backbone(batch)


class StreamBackboneRunner(StreamRunnerMixin, HostRunner):
    """Updates nothing, or every weight of a backbone without adapter."""
