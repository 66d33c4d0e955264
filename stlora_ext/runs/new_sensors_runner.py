"""Protocol ``new-sensors``: a model trained without some sensors, then given a few days of each.

Everything is frozen but what is a new sensor's own, its row in each layer of the adapter. The rows are fitted on the
last days of the training rows, and the test windows are scored on the new sensors alone.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from basicts.runners.builder import Builder
from basicts.utils import BasicTSMode
from torch import nn

from stlora_ext.config.new_sensors import NewSensorsSettings
from stlora_ext.data.windows import WindowBatches
from stlora_ext.host.forecasts import forecast_writer
from stlora_ext.host.randomness import derive_seed
from stlora_ext.host.runner import FORECASTS, HostRunner
from stlora_ext.host.splits import place_split
from stlora_ext.lora.fit_rows import Readings, fit_rows, with_rows
from stlora_ext.lora.model import STLoRA, attach
from stlora_ext.lora.predictor import Predictor
from stlora_ext.lora.ridge import RIDGES, TRIED, Choice, choose_ridge, spacing
from stlora_ext.lora.settings import STLoRAConfig
from stlora_ext.runs.adapter_runner import STLoRAForecastingConfig, STLoRARunnerMixin
from stlora_ext.runs.set_aside import steps_of
from stlora_ext.runs.window_readings import window_readings

_CELLS = 2**19  # sensors times windows at most that are fitted at once, some 0.5 GiB


@dataclass(init=False)
class NewSensorsForecastingConfig(STLoRAForecastingConfig):
    """Configuration of a run under protocol ``new-sensors``; ``adapter`` is None for the arm ``base``."""

    arm: Literal["base", "plus", "control", "full"] = field(
        default="plus", metadata={"help": "Trained without the new sensors, or, full, on all."}
    )
    new_sensors: NewSensorsSettings = field(default=None, metadata={"help": "What is fitted for them."})  # type: ignore
    left_out: list = field(default_factory=list, metadata={"help": "Columns of the new sensors."})

    def _get_md5(self, serialized: dict) -> str:
        # The key names the arm; the columns follow from the settings and the data.
        left = {key: value for key, value in serialized.items() if key not in ("arm", "left_out")}
        return super()._get_md5(
            {**left, "new_sensors": self.new_sensors.changed(), "adapter": serialized["adapter"] or {}}
        )


if TYPE_CHECKING:
    _Host = HostRunner  # what the mixin is put over
else:
    _Host = object


class NewSensorsRunnerMixin(_Host):
    """Trains without the sensors that are set aside, or on all in the arm ``full``, and evaluates on them alone."""

    cfg: NewSensorsForecastingConfig

    def __init__(self, cfg: NewSensorsForecastingConfig) -> None:
        super().__init__(cfg)
        self.new = list(cfg.left_out)
        self.fits: list[dict[str, Any]] = []

    def _sensors(self, values: np.ndarray) -> np.ndarray:
        return values if self.cfg.arm == "full" else np.delete(values, self.new, axis=1)

    def eval(self, ckpt_path: Path | str | None = None) -> None:
        """Fit the new sensors' rows from a checkpoint (default: ``best.pt``), and evaluate the test split on them."""
        self._take_checkpoint(Path(ckpt_path or self.best_path))
        trained: nn.Module = self.model
        test = self._batches_of(self.new, BasicTSMode.TEST)
        self.fits = []
        try:
            for number in self.days_of_fits(trained):
                self.model, choice = self.model_of_new(trained, number)
                scores = self._evaluate(test).result()
                known = None if choice.error is None else choice.error * float(self.scaler.stats["std"].mean())
                self.fits.append({"days": number, "ridge": choice.ridge, "known_mae": known, "test": scores})
            if self.save_results:
                with forecast_writer(self.run_dir / FORECASTS, test.num_windows) as write:
                    self._evaluate(test, write)
        finally:
            self.model = trained
        self.test_result = self.fits[-1]["test"]
        self._save_metrics()

    def model_of_new(self, trained: nn.Module, days: float | None) -> tuple[nn.Module, Choice]:
        """Return the model of the new sensors with rows fitted on some days (None: all), and their ridge."""
        return trained, Choice()

    def days_of_fits(self, trained: nn.Module) -> list[float | None]:
        """Return the numbers of days that something is fitted on (None: all), or None alone where nothing is."""
        return [None]

    def _batches_of(self, columns: list[int], mode: BasicTSMode) -> WindowBatches:
        """Return the windows of some sensors in a split."""
        dataset = Builder._build_dataset(self.cfg, mode)
        stamps = dataset.timestamps if dataset.use_timestamps else None
        values = np.ascontiguousarray(dataset.data[:, columns])
        split = place_split(values, stamps, self.scaler, self.cfg.null_val, self.device, self.run_dir)
        return WindowBatches(split, dataset.input_len, dataset.output_len, self.cfg.test_batch_size, device=self.device)

    def summary(self) -> dict[str, Any]:
        """Return what a record says of the new sensors, besides the scores of the last fit."""
        return {"sensors": self.new, "fits": self.fits}


class NewSensorsBackboneRunner(NewSensorsRunnerMixin, HostRunner):
    """The arm ``base``: a backbone alone."""


class NewSensorsAdapterRunner(NewSensorsRunnerMixin, STLoRARunnerMixin, HostRunner):
    """The arms with an adapter."""

    def eval(self, ckpt_path: Path | str | None = None) -> None:
        """As the mixin's; the backbone forecasts the windows once for the fits on all numbers of days."""
        self._kept: dict[tuple[BasicTSMode, tuple[int, ...]], Readings] = {}
        super().eval(ckpt_path)

    def model_of_new(self, trained: nn.Module, days: float | None) -> tuple[nn.Module, Choice]:
        """As the mixin's; the arm ``full`` has the rows that it was trained to."""
        assert isinstance(trained, STLoRA)
        known, config = trained.adapter, trained.config
        model = attach(trained.backbone, config, len(self.new))
        choice = Choice()
        rows: list[torch.Tensor] = []
        if self.cfg.arm == "full":
            rows = [own[self.new] for own in known.per_node()]
        elif known.per_node():
            choice = self._choice(trained, days)
            readings = self._readings(trained.backbone, self.new, BasicTSMode.TRAIN)
            windows = self._windows(days, len(readings.inputs))
            rows = self._fitted(known, config, readings.rows(_last(windows)), choice.ridge or 0.0)
        model.adapter = with_rows(known, config, rows, len(self.new))
        return model.to(self.device).eval(), choice

    def _fitted(self, known: Predictor, config: STLoRAConfig, readings: Readings, ridge: float) -> list[torch.Tensor]:
        """Return the rows of the new sensors; many are fitted in parts, for memory."""
        at_once = max(1, _CELLS // max(1, len(readings.inputs)))
        parts = [
            fit_rows(known, config, readings.sensors(slice(at, at + at_once)), ridge, self.cfg.new_sensors.iterations)
            for at in range(0, len(self.new), at_once)
        ]
        return [torch.cat(own) for own in zip(*parts, strict=True)]

    def days_of_fits(self, trained: nn.Module) -> list[float | None]:
        """As the mixin's; days that the training rows don't hold are left out, for all of them come last."""
        if self.cfg.arm != "plus":
            return super().days_of_fits(trained)
        assert isinstance(trained, STLoRA)
        count = len(self._readings(trained.backbone, self.new, BasicTSMode.TRAIN).inputs)
        return [*(days for days in self.cfg.new_sensors.days if self._windows(days, count) < count), None]

    def _windows(self, days: float | None, most: int) -> int:
        """Return how many windows lie within the last days of the training rows."""
        if days is None:
            return most
        steps = steps_of(days, self.cfg.steps_per_day or 1)
        lengths = self.cfg.dataset_params["input_len"] + self.cfg.dataset_params["output_len"]
        return min(most, max(0, steps - lengths + 1))

    def _choice(self, trained: STLoRA, days: float | None) -> Choice:
        """Choose the ridge on known sensors set aside in turn: fitted on the days, compared on the validation split."""
        known, config = trained.adapter, trained.config
        count = known.per_node()[0].shape[0]
        generator = np.random.default_rng(derive_seed(self.cfg.seed, "ridge"))
        tried = sorted(int(node) for node in generator.permutation(count)[:TRIED])
        columns = [column for column in range(count + len(self.new)) if column not in set(self.new)]
        chosen = [columns[node] for node in tried]
        train = self._readings(trained.backbone, chosen, BasicTSMode.TRAIN)
        train = train.rows(_last(self._windows(days, len(train.inputs)), spacing(config.output_len)))
        if count == 1:  # no other one is known when it is set aside
            return Choice(RIDGES[-1] if len(train.inputs) else None)
        val = self._readings(trained.backbone, chosen, BasicTSMode.VAL)
        return choose_ridge(known, config, train, val, tried, self.cfg.new_sensors.iterations)

    def _readings(self, backbone: nn.Module, columns: list[int], mode: BasicTSMode) -> Readings:
        """Return the windows of some sensors in a split, with the backbone's forecasts."""
        key = (mode, tuple(columns))
        if key not in self._kept:
            self._kept[key] = window_readings(backbone, self.scaler, self._batches_of(columns, mode), self.cfg.bf16)
        return self._kept[key]


def _last(count: int, step: int = 1) -> slice:
    return slice(-count, None, step) if count else slice(0, 0)
