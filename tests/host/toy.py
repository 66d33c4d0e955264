"""A tiny data set in BasicTS's layout, tiny models, and one way to run both stock BasicTS and our host on them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from basicts.configs import BasicTSForecastingConfig, BasicTSModelConfig
from basicts.launcher import BasicTSLauncher
from basicts.runners import BasicTSRunner
from basicts.runners.callback import BasicTSCallback
from easytorch.utils import logging as host_logging
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR, LinearLR, SequentialLR

from stlora_ext.host.config import ForecastingConfig
from stlora_ext.host.launcher import launch_training
from stlora_ext.host.runner import HostRunner

INPUT_LEN, OUTPUT_LEN, NUM_NODES = 6, 3, 4
ROWS = {"train": 168, "val": 58, "test": 68}  # 160, 50 and 60 windows
BATCH_SIZE = 32  # 5 training steps an epoch; validation and test end in a smaller batch
STEPS_PER_EPOCH = 5
HORIZONS = [1, 3]
METRICS = ["MAE", "RMSE", "MAPE"]


# ---- data ----------------------------------------------------------------------------------------------


def write_world(folder: Path, null_val: float = 0.0, spike_in: str | None = None, **rows: int) -> Path:
    """Write a data set of readings around 100 with missing ones, and return its folder.

    Missing readings are ``null_val``. They thicken towards the end, so that no two batches miss equally many;
    with ``null_val`` NaN some readings are a true 0. ``spike_in`` names a split that gets one reading of 1e5.
    """
    generator = np.random.default_rng(5)
    folder.mkdir(parents=True, exist_ok=True)
    first = 0
    for split, count in {**ROWS, **rows}.items():
        time = np.arange(first, first + count)[:, None]
        values = 100 + 60 * np.sin(time / 7 + np.arange(NUM_NODES)) + generator.normal(0, 8, (count, NUM_NODES))
        if np.isnan(null_val):
            values[generator.random(values.shape) < 0.05] = 0.0
        values[generator.random(values.shape) < np.linspace(0.02, 0.4, count)[:, None]] = null_val
        values[-4:] = null_val
        if split == spike_in:
            values[count // 2, 1] = 1e5
        stamps = np.concatenate([time % 24 / 24, time // 24 % 7 / 7], axis=1)
        np.save(folder / f"{split}_data.npy", values.astype(np.float32))
        np.save(folder / f"{split}_timestamps.npy", stamps.astype(np.float32))
        first += count
    return folder


def readings(world: Path, split: str, null_val: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return a split in float64 with NaN for what is missing, and where a reading is there."""
    values = np.load(world / f"{split}_data.npy").astype(np.float64)
    there = ~np.isnan(values)
    if not np.isnan(null_val):
        there &= np.abs(np.nan_to_num(values) - null_val) >= 5e-5
    return np.where(there, values, np.nan), there


def windows(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut ``values`` into inputs and targets by a plain loop over slices."""
    starts = range(len(values) - INPUT_LEN - OUTPUT_LEN + 1)
    return (
        np.stack([values[i : i + INPUT_LEN] for i in starts]),
        np.stack([values[i + INPUT_LEN : i + INPUT_LEN + OUTPUT_LEN] for i in starts]),
    )


def scores(prediction: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Return MAE, RMSE and MAPE (percent) in float64; ``targets`` holds NaN where a reading is missing."""
    error = (prediction.astype(np.float64) - targets)[~np.isnan(targets)]
    truth = targets[~np.isnan(targets)]
    relative = np.abs(error / np.where(np.abs(truth) < 5e-5, np.inf, truth))
    return {
        "MAE": np.abs(error).mean(),
        "RMSE": np.sqrt((error**2).mean()),
        "MAPE": 100 * relative.sum() / (np.abs(truth) >= 5e-5).sum(),
    }


# ---- models --------------------------------------------------------------------------------------------


@dataclass
class LinearConfig(BasicTSModelConfig):
    """Config of the models here."""

    input_len: int = INPUT_LEN
    output_len: int = OUTPUT_LEN
    dropout: float = 0.0
    limit: float = 1e9
    frozen: bool = False


class Linear(nn.Module):
    """One linear map over time, with dropout before it."""

    def __init__(self, config: LinearConfig) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        self.linear = nn.Linear(config.input_len, config.output_len)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.linear(self.dropout(inputs).transpose(1, 2)).transpose(1, 2)


class Fragile(Linear):
    """A linear map that forecasts NaN for windows with a normalised reading above ``limit``."""

    def __init__(self, config: LinearConfig) -> None:
        super().__init__(config)
        self.limit = config.limit

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        broken = inputs.amax(dim=(1, 2), keepdim=True) > self.limit
        return torch.where(broken, torch.nan, super().forward(inputs))


class Adapted(Linear):
    """The linear map with a part that its pre-trained checkpoint doesn't have."""

    def __init__(self, config: LinearConfig) -> None:
        super().__init__(config)
        self.adapter = nn.Linear(config.input_len, config.output_len)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return super().forward(inputs) + self.adapter(inputs.transpose(1, 2)).transpose(1, 2)


class NodeMean(nn.Module):
    """Forecasts each node's mean; fitted in closed form."""

    fits = 0

    def __init__(self, config: LinearConfig) -> None:
        super().__init__()
        self.output_len = config.output_len
        self.register_buffer("mean", torch.zeros(NUM_NODES))

    def fit(self, scaled: torch.Tensor, mask: torch.Tensor) -> None:
        NodeMean.fits += 1
        self.mean.copy_((scaled * mask).sum(dim=0) / mask.sum(dim=0))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.mean.expand(len(inputs), self.output_len, NUM_NODES)


class WarmupThenDecay(SequentialLR):
    """A schedule of two parts, in the form in which a config names one: a class of the optimizer."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        parts = [LinearLR(optimizer, start_factor=0.1, total_iters=3), ExponentialLR(optimizer, gamma=0.5)]
        super().__init__(optimizer, parts, milestones=[3])


# ---- callbacks -----------------------------------------------------------------------------------------


class Interrupted(Exception):
    """Stands for whatever ends a process in the middle of training."""


class Interrupt(BasicTSCallback):
    """Raises after the given training step, or in the validation of that number; by default never.

    It holds sets, because our host restores a callback's numbers and stock BasicTS names its folder after arguments.
    """

    def __init__(self, at_step: int = -1, at_validation: int = -1) -> None:
        self.steps, self.validations = {at_step}, {at_validation}

    def on_step_end(self, runner: Any, step: int) -> None:
        if step in self.steps:
            raise Interrupted

    def on_validate_end(self, runner: Any, train_step: int | None, train_epoch: int) -> None:
        if train_epoch in self.validations:
            raise Interrupted


class Watch(BasicTSCallback):
    """Counts what happens in a run; ``runner`` is the runner it happened in."""

    def __init__(self, most_epochs: int = 50) -> None:
        self.limit = most_epochs
        self.runner: Any = None
        self.steps, self.epochs, self.validations, self.tests = 0, [], 0, 0
        self.rates: list[float] = []

    def on_train_start(self, runner: Any) -> None:
        self.runner = runner
        runner.optimizer.register_step_post_hook(self._count)

    def _count(self, *_: Any) -> None:
        self.steps += 1

    def on_epoch_start(self, runner: Any, epoch: int) -> None:
        if len(self.epochs) == self.limit:
            raise Interrupted
        self.epochs.append(epoch)
        self.rates.append(runner.optimizer.param_groups[0]["lr"])

    def on_validate_start(self, runner: Any) -> None:
        self.validations += 1

    def on_test_start(self, runner: Any) -> None:
        self.tests += 1


# ---- runs ----------------------------------------------------------------------------------------------


def settings(world: Path, run_dir: Path, **overrides: Any) -> dict[str, Any]:
    """Settings that stock BasicTS and our host both understand; built anew, because BasicTS changes what it is given.

    ``model_settings`` are fields of ``LinearConfig``; everything else is a field of the config.
    """
    model_settings = overrides.pop("model_settings", {})
    return {
        "model": Linear,
        "model_config": LinearConfig(**model_settings),
        "dataset_name": "TINY",
        "dataset_params": {
            "dataset_name": "TINY",
            "input_len": INPUT_LEN,
            "output_len": OUTPUT_LEN,
            "use_timestamps": False,
            "memmap": False,
            "data_file_path": str(world),
        },
        "null_val": 0.0,
        "metrics": list(METRICS),
        "eval_horizons": list(HORIZONS),
        "num_epochs": 2,
        "seed": 3,
        "optimizer_params": {"lr": 0.01, "weight_decay": 0.0},
        "callbacks": [],
        "train_batch_size": BATCH_SIZE,
        "val_batch_size": BATCH_SIZE,
        "test_batch_size": BATCH_SIZE,
        "ckpt_save_dir": str(run_dir),
        **overrides,
    }


def stock_config(world: Path, run_dir: Path, **overrides: Any) -> BasicTSForecastingConfig:
    """A stock config; ``norm_each_channel`` is True because the stock scaler crashes otherwise."""
    return BasicTSForecastingConfig(
        **settings(world, run_dir, **{"norm_each_channel": True, "rescale": True, **overrides})
    )


def our_config(world: Path, run_dir: Path, **overrides: Any) -> ForecastingConfig:
    """Our config of the same settings."""
    return ForecastingConfig(**settings(world, run_dir, **overrides))


def run_stock(world: Path, run_dir: Path, watch: Watch | None = None, **overrides: Any) -> BasicTSRunner:
    """Run stock BasicTS through its own launcher and return the runner; its folder is ``ckpt_save_dir``."""
    watch = watch or Watch()
    cfg = stock_config(world, run_dir, **{**overrides, "callbacks": [watch, *overrides.get("callbacks", [])]})
    try:
        BasicTSLauncher.launch_training(cfg)
    finally:
        if watch.runner is not None and watch.runner.tensorboard_writer is not None:
            watch.runner.tensorboard_writer.close()
    return watch.runner


def run_ours(world: Path, run_dir: Path, watch: Watch | None = None, **overrides: Any) -> HostRunner:
    """Run our host on the same settings and return the runner."""
    watch = watch or Watch()
    return launch_training(
        our_config(world, run_dir, **{**overrides, "callbacks": [watch, *overrides.get("callbacks", [])]})
    )


def forget_stock_loggers() -> None:
    """Make BasicTS forget the loggers of earlier tests, as a new process would."""
    for name in [name for name in host_logging.logger_initialized if name.startswith("BasicTS-")]:
        logger = host_logging.logging.getLogger(name)
        for handler in list(logger.handlers):
            handler.close()
            logger.removeHandler(handler)
        host_logging.logger_initialized.discard(name)


def weights(runner: Any) -> dict[str, torch.Tensor]:
    """The runner's weights, copied."""
    return {name: tensor.clone() for name, tensor in runner.model.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    """Whether two sets of weights are equal to the bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
