"""BasicTSRunner repaired: exact metrics, whole checkpoints, every step trained, resumable to the bit."""

import os
import shutil
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import setproctitle
import torch
from basicts.runners.builder import Builder
from basicts.utils import BasicTSMode, RunnerStatus
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.tensorboard import SummaryWriter

from stlora_ext.data.windows import WindowBatches
from stlora_ext.errors import UserError
from stlora_ext.files import write_json
from stlora_ext.host.checkpoint import load_checkpoint
from stlora_ext.host.config import ForecastingConfig
from stlora_ext.host.cuda_graphs import RecordedSteps, refuse_unrecordable
from stlora_ext.host.fitting import Fitted, fit_model
from stlora_ext.host.forecasting import ForecastingRunner
from stlora_ext.host.forecasts import forecast_writer
from stlora_ext.host.logs import close_run_log, no_run_log, open_run_log
from stlora_ext.host.metrics import MaskedMAE, MetricSums
from stlora_ext.host.processes import Processes
from stlora_ext.host.progress import Progress
from stlora_ext.host.progress_files import check_progress, identity_text
from stlora_ext.host.randomness import derive_seed, seed_everything, shuffled
from stlora_ext.host.split_steps import SplitSteps, covered_steps, unsplittable
from stlora_ext.host.splits import place_split
from stlora_ext.weights import load_weights

FORECASTS = "test_results"  # the folder of the test set's forecasts, in the run's


class HostRunner(ForecastingRunner):
    """Trains, validates and tests one model; BasicTS's models and callbacks run in it unchanged, but for
    ``on_compute_loss``, which is triggered in training alone: in evaluation there is no loss to change. With
    ``cuda_graphs`` those that act within the passes of a step are refused.

    Differences from BasicTSRunner: batches are gathered from one normalised tensor on the device; the loss is
    masked MAE on the original scale and NaN stops the run; every step of every epoch is trained; metrics come
    from sums over the whole set; the test set is seen once; ``last.pt`` holds all that an interrupted run needs
    to end bit for bit like an uninterrupted one, ``best.pt`` the weights with the best validation MAE.

    After ``train()`` or ``eval()``, ``test_result`` holds the scores (see ``MetricSums.result``) and
    ``history`` one entry per epoch.

    Where several processes train one model, each has a runner. All train; the main process's alone evaluates, decides
    and writes.

    Args:
        cfg: The configuration; its ``ckpt_save_dir`` receives everything that is written.
    """

    span, rate = "epoch", "lr"  # what its messages count in, and the setting that they name

    def __init__(self, cfg: ForecastingConfig) -> None:
        super().__init__(cfg)
        # BasicTS's wrapper would rename every tensor; the module is compiled in place instead, in _compile().
        self.model = getattr(self.model, "_orig_mod", self.model)
        self.run_dir = Path(cfg.ckpt_save_dir)
        self.title = cfg.run_title or self.model_name
        setproctitle.setproctitle(self.title)  # BasicTS's own calls every model "type"
        self.device = self.to_running_device(torch.zeros(())).device
        self.loss = MaskedMAE()
        self.processes = Processes()  # the launcher names more
        self.logger = no_run_log() if cfg.process else open_run_log(self.run_dir)
        self.history: list[dict[str, Any]] = []
        self.test_result: dict[str, Any] = {}
        self.epoch = self.global_steps = 0
        self.best_epoch: int | None = None
        self.recorded: RecordedSteps | None = None
        self.split: SplitSteps | None = None
        self.progress = Progress(self.title)

    # ---- what BasicTS's __init__ asks for -------------------------------------------------------------

    def _get_ckpt_save_dir(self, cfg: ForecastingConfig) -> str:
        return cfg.ckpt_save_dir

    def init_logger(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: each run has its own log from the start."""

    # ---- preparation ---------------------------------------------------------------------------------

    def _build_batches(self, mode: BasicTSMode) -> WindowBatches:
        dataset = Builder._build_dataset(self.cfg, mode)
        if not self.scaler.stats:
            training = dataset if mode == BasicTSMode.TRAIN else Builder._build_dataset(self.cfg, BasicTSMode.TRAIN)
            self.scaler.fit(self._sensors(training.data))
        split = place_split(
            self._sensors(dataset.data),
            dataset.timestamps if dataset.use_timestamps else None,
            self.scaler,
            self.cfg.null_val,
            self.device,
            self.run_dir,
        )
        shuffle = mode == BasicTSMode.TRAIN and self.cfg.train_data_shuffle
        order = (lambda count: shuffled(count, self.cfg.seed, self.epoch)) if shuffle else None
        return WindowBatches(
            split, dataset.input_len, dataset.output_len, self.cfg[f"{mode}_batch_size"], order, self.device
        )

    def _sensors(self, values: np.ndarray) -> np.ndarray:
        """Return the columns of the sensors that the model is trained on: all of them."""
        return values

    def _init_train(self) -> None:
        self.num_epochs, self.training_unit = self.cfg.num_epochs, "epoch"
        self.best_metrics = {}
        self.train_data_loader = self._build_batches(BasicTSMode.TRAIN)
        self.steps_per_epoch = len(self.train_data_loader)
        self.num_steps = self.num_epochs * self.steps_per_epoch
        self.optimizer = self._build_optimizer()
        if self.cfg.lr_scheduler is not None:
            self.lr_scheduler = Builder._build_lr_scheduler(self.cfg, self.optimizer)
        if self.cfg.finetune_from is not None:
            self._load_model(self.cfg.finetune_from, self.cfg.strict_load)
        for name in ("loss", "lr", "time"):
            self.register_meter(f"train/{name}", "train")
        self._load_model_resume()
        self._split_steps()
        if self.cfg.cuda_graphs:
            refuse_unrecordable(self.callback_handler.callbacks, self.forward_params, self.device)
            self.recorded = RecordedSteps(self._passes, [p for p in self.model.parameters() if p.requires_grad])
        if self.processes.main:
            self.tensorboard_writer = SummaryWriter(
                str(self.run_dir / "tensorboard"), purge_step=self.start_epoch + 1 if self.start_epoch else None
            )

    def _build_optimizer(self) -> torch.optim.Optimizer:
        return Builder._build_optimizer(self.cfg, self.model)

    def _split_steps(self) -> None:
        """Have a step run in parts or in several processes, where that is asked for."""
        if self.cfg.parts > 1 or self.processes.count > 1:
            reason = unsplittable(self.model, self.callback_handler.callbacks, self.cfg.parts)
            if self.cfg.cuda_graphs:
                reason = "is trained in recorded steps, which add no gradients"
            if reason is not None:
                raise UserError(f"{self.title}: the model {reason}; leave parts out, and train it in one process")
            self.split = SplitSteps(self.model, self._loss, self._covered_steps, self.processes, self.cfg.parts)

    def _init_validation(self) -> None:
        self.val_data_loader = self._build_batches(BasicTSMode.VAL)
        for name in (*self.metrics, "time"):
            self.register_meter(f"val/{name}", "val", "{:.4f}")

    def _init_test(self) -> None:
        self.test_data_loader = self._build_batches(BasicTSMode.TEST)

    def _compile(self) -> None:
        """Compile the model in place, as it is after all that ``__init__`` put on it, if the configuration asks."""
        if self.cfg.compile_model:
            compiler = os.environ.get("CXX", "g++")
            if self.device.type == "cpu" and shutil.which(compiler) is None:
                raise UserError(
                    f"--compile: the C++ compiler '{compiler}' isn't installed; install it, name another "
                    "in the environment variable CXX, or leave --compile out"
                )
            self.model.compile(dynamic=False)

    def on_train_start(self) -> None:
        """Build data, optimizer and scheduler; go on from ``last.pt`` if it is there."""
        self._init_train()
        if self.processes.main:
            self._init_validation()
        self.is_train_initialized = self.is_val_initialized = True
        self._count_parameters()

    # ---- training ------------------------------------------------------------------------------------

    def train(self) -> None:
        """Train (or fit), then evaluate the best checkpoint on the test set.

        Raises:
            UserError: If the folder holds progress of another run, or training diverges.
        """
        try:
            check_progress(self.run_dir, self.cfg)
            if isinstance(self.model, Fitted):
                self._fit(self.model)
            else:
                self._compile()
                self.on_train_start()
                self.callback_handler.trigger("on_train_start", self)
                self._train_loop()
                self.callback_handler.trigger("on_train_end", self)
                self.on_train_end()
            if self.cfg.eval_after_train and self.processes.main:
                self.eval(self.best_path)
        except BaseException:
            self.logger.exception("the run ended early")
            raise
        finally:
            if self.tensorboard_writer is not None:
                self.tensorboard_writer.close()
            close_run_log(self.logger)

    def _fit(self, model: Fitted) -> None:
        """Fit a model in closed form on the whole training split, once."""
        started = time.monotonic()
        self.training_unit, self.best_metrics, self.status = "epoch", {}, RunnerStatus.VALIDATING
        split = self._build_batches(BasicTSMode.TRAIN).split
        if not self.best_path.exists():
            fit_model(
                model,
                split,
                self.cfg.seed,
                self.run_dir,
                partial(self.progress.over, whole=True),
                identity_text(self.cfg),
            )
            self._init_validation()
            val = self._evaluate(self.val_data_loader).average()
            self.history = [{"epoch": 1, "val": val, "seconds": time.monotonic() - started}]
            self._save_best(val["MAE"])

    def _train_loop(self) -> None:
        validated = self.val_data_loader.num_windows if self.processes.main else 0
        self.progress.begin(
            self.num_epochs,
            self.start_epoch + 1,
            self.steps_per_epoch,
            validated / self.train_data_loader.num_windows / self.val_interval,
        )
        if self.split is not None:
            self.status = RunnerStatus.TRAINING
            self.model.train()
            self.split.prepare(self.train_data_loader.windows(slice(0, 1)))
        self.global_steps = self.start_epoch * self.steps_per_epoch
        for epoch in range(self.start_epoch + 1, self.num_epochs + 1):
            if self.should_training_stop:
                break
            self.epoch = epoch
            self.on_epoch_start(self.epoch)
            self.callback_handler.trigger("on_epoch_start", self, epoch=self.epoch)
            self._train_epoch()
            self.callback_handler.trigger("on_epoch_end", self, epoch=self.epoch, step=self.global_steps)
            if self.processes.main:
                self.on_epoch_end(self.epoch, self.global_steps)
            if self.processes.count > 1:
                self._follow_main_process()

    def _follow_main_process(self) -> None:
        """Take its decisions after an epoch: whether to stop, and the settings of the optimizer."""
        settings = [{k: v for k, v in group.items() if k != "params"} for group in self.optimizer.param_groups]
        self.should_training_stop, settings = self.processes.told((self.should_training_stop, settings))
        for group, told in zip(self.optimizer.param_groups, settings, strict=True):
            group.update(told)

    def _train_epoch(self) -> None:
        total, windows = torch.zeros((), device=self.device), 0
        self.status = RunnerStatus.TRAINING
        passes = self._passes if self.recorded is None else partial(self.recorded, group=self._covered_steps())
        self.model.train()
        for batch in self.progress.epoch(self.train_data_loader, self.epoch):
            self.global_steps += 1
            self.callback_handler.trigger("on_step_start", self, epoch=self.epoch, step=self.global_steps)
            total += passes(batch) * len(batch["inputs"])
            if self.should_backward and self.should_optimizer_step:
                self.callback_handler.trigger("on_optimizer_step", self)
                self.optimizer.step()
                self.optimizer.zero_grad()
            windows += len(batch["inputs"])
            on_cpu = self.device.type == "cpu"  # elsewhere, reading it would stall the device at every step
            if on_cpu:
                self._refuse_divergence(total)
            self.progress.step(lambda: total.item() / windows, free=on_cpu)  # noqa: B023 (called at once)
            self.callback_handler.trigger("on_step_end", self, step=self.global_steps)
            if self.should_training_stop:
                break
        self._refuse_divergence(total)
        self.update_meter("train/loss", total.item() / windows)

    def _passes(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Run forward and backward pass and return the loss."""
        if self.split is not None:
            return self.split(batch)
        loss = self._loss(batch)
        if self.should_backward:
            self.callback_handler.trigger("on_backward", self, loss=loss)
            with getattr(self.model, "no_sync", nullcontext)():
                loss.backward()
        return loss.detach()

    def _loss(self, batch: dict[str, torch.Tensor], count: torch.Tensor | None = None) -> torch.Tensor:
        """Return the loss of a batch, or of a part of one that has ``count`` targets, after a forward pass."""
        forward_return = self._forecast(batch, self.global_steps, self.epoch)
        self.callback_handler.trigger(
            "on_compute_loss", self, epoch=self.epoch, step=self.global_steps, data=batch, forward_return=forward_return
        )
        if "loss" not in forward_return:
            return self.loss(
                forward_return["prediction"], forward_return["targets"], forward_return["targets_mask"], count
            )
        if count is not None:
            raise UserError(
                f"{self.title}: the model computes a loss of its own, which is no sum over windows; leave parts out, "
                "and train it in one process"
            )
        return forward_return["loss"]

    def _covered_steps(self) -> int | None:
        """Return how many forecast steps the loss of this epoch covers, by curriculum; None: all."""
        return covered_steps(self.callback_handler.callbacks, self.epoch, self.cfg.dataset_params["output_len"])

    def _refuse_divergence(self, total: torch.Tensor) -> None:
        if not torch.isfinite(total):
            raise UserError(
                f"{self.title}: the training loss became {total.item()} in epoch {self.epoch}, "
                f"step {self.global_steps} (lr {self.optimizer.param_groups[0]['lr']:g}); "
                "lower the learning rate (--set lr=...) or look for extreme readings in the data; "
                "earlier results are untouched"
            )

    # ---- epochs --------------------------------------------------------------------------------------

    def on_epoch_start(self, epoch: int) -> None:
        """Note the time; a process that helps gets seeds of its own."""
        self.epoch_start_time = time.monotonic()
        if not self.processes.main:
            seed_everything(derive_seed(self.cfg.seed, "process", *self.processes.purpose, epoch))

    def on_epoch_end(self, epoch: int, step: int) -> None:
        """Validate, step the schedule, save the state, tell the user."""
        self.update_meter("train/time", time.monotonic() - self.epoch_start_time)
        self.update_meter("train/lr", self.optimizer.param_groups[0]["lr"])
        entry = {
            "epoch": epoch,
            "lr": self.optimizer.param_groups[0]["lr"],
            "loss": self.meter_pool.get_value("train/loss"),
        }
        self.history.append(entry)
        validated = epoch % self.val_interval == 0 or epoch == self.num_epochs or self.should_training_stop
        if validated:
            self.validate(train_epoch=epoch)
        if isinstance(self.lr_scheduler, ReduceLROnPlateau):
            if validated:
                self.lr_scheduler.step(entry["val"][self.target_metric])
        elif self.lr_scheduler is not None:
            self.lr_scheduler.step()
        entry["seconds"] = time.monotonic() - self.epoch_start_time
        self.plt_meters("train", epoch)
        self.print_meters("train")
        self._save_model(epoch)
        self.reset_meters()
        self.progress.epoch_done(
            epoch,
            entry["loss"],
            entry.get("val", {}).get("MAE"),
            self.best_metrics.get(f"val/{self.target_metric}"),
            entry["seconds"],
        )

    @torch.no_grad()
    def validate(self, train_step: int | None = None, train_epoch: int | None = None) -> None:
        """Measure the validation split and keep the weights if they are the best so far."""
        self.on_validate_start()
        self.callback_handler.trigger("on_validate_start", self)
        started = time.monotonic()
        self.status = RunnerStatus.VALIDATING
        metrics = self._evaluate(self.val_data_loader).average()
        if self.history:
            self.history[-1]["val"] = metrics
        for name in self.metrics:
            if metrics[name] is not None:  # MAPE, where every target is zero
                self.update_meter(f"val/{name}", metrics[name])
        self.update_meter("val/time", time.monotonic() - started)
        self.callback_handler.trigger("on_validate_end", self, train_step=train_step, train_epoch=train_epoch)
        self.print_meters("val")
        self.plt_meters("val", train_epoch)
        value, key = metrics[self.target_metric], f"val/{self.target_metric}"
        if key not in self.best_metrics or value < self.best_metrics[key]:
            self._save_best(value)

    # ---- evaluation ----------------------------------------------------------------------------------

    @torch.no_grad()
    def _evaluate(self, batches: WindowBatches, write: Any = None, every: int | None = None) -> MetricSums:
        """Sum the errors over ``batches``, per period of ``every`` windows too; NaN in a forecast is an error."""
        self.model.eval()
        sums = MetricSums(batches.output_len, batches.split.scaled.shape[1], self.device, every)
        for step, batch in enumerate(self.progress.over(batches, str(self.status), len(batches))):
            forward_return = self._forecast(batch, step)
            sums.update(forward_return["prediction"], batch["targets"], batch["targets_mask"])
            if write is not None:
                write(
                    inputs=self.scaler.inverse_transform(batch["inputs"], batch["inputs_mask"]),
                    prediction=forward_return["prediction"],
                    targets=batch["targets"],
                    targets_mask=batch["targets_mask"],
                )
        self._refuse_unscored(sums)
        return sums

    def _refuse_unscored(self, sums: MetricSums) -> None:
        if sums.average()["MAE"] is None:
            raise UserError(
                f"{self.title}: the {self.status} split holds no reading to compare a forecast with; bring "
                "a longer series or one with fewer gaps"
            )
        if not sums.finite():
            raise UserError(
                f"{self.title}: the model forecasts NaN or infinity ({self.status} after {self.span} {self.epoch}); "
                f"lower the learning rate (--set {self.rate}=...) or look for extreme readings in the data; earlier "
                "results are untouched"
            )

    @torch.no_grad()
    def eval(self, ckpt_path: Path | str | None = None) -> None:
        """Evaluate a checkpoint (default: ``best.pt``) on the test split; needs no training data."""
        self._take_checkpoint(Path(ckpt_path or self.best_path))
        self._init_test()
        self.callback_handler.trigger("on_test_start", self)
        if self.save_results:
            with forecast_writer(self.run_dir / FORECASTS, self.test_data_loader.num_windows) as write:
                self.test_result = self._evaluate(self.test_data_loader, write, self.cfg.steps_per_day).result()
        else:
            self.test_result = self._evaluate(self.test_data_loader, None, self.cfg.steps_per_day).result()
        self.callback_handler.trigger("on_test_end", self)
        self._save_metrics()

    def _take_checkpoint(self, path: Path) -> None:
        """Take weights, scaler and history of a checkpoint that is to be evaluated."""
        checkpoint = load_checkpoint(path, self.device, ("model_state_dict", "scaler_stats", "epoch", "history"))
        self._refuse_other_data(checkpoint, path)
        load_weights(self.model, checkpoint["model_state_dict"], path)
        self.scaler.stats = checkpoint["scaler_stats"]
        self.history = self.history or checkpoint["history"]
        self.best_epoch = checkpoint["epoch"]
        self.status = RunnerStatus.EVALUATING

    def _save_metrics(self) -> None:
        """Write ``test_metrics.json`` in BasicTS's form."""
        metrics = {"overall": self.test_result["average"]}
        for horizon in self.cfg.eval_horizons or ():
            metrics[f"horizon_{horizon}"] = self.test_result["horizons"][horizon - 1]
        write_json(self.run_dir / "test_metrics.json", metrics)
