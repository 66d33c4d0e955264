"""Training with an adapter: its own optimizer group, frozen backbones, its own randomness."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from stlora_ext.config.training import FROZEN_LR
from stlora_ext.data.windows import WindowBatches
from stlora_ext.host.checkpoint import load_checkpoint
from stlora_ext.host.config import ForecastingConfig
from stlora_ext.host.fitting import Fitted, fit_model
from stlora_ext.host.progress_files import identity_text
from stlora_ext.host.randomness import derive_seed
from stlora_ext.host.runner import HostRunner
from stlora_ext.lora.model import STLoRA, attach
from stlora_ext.lora.settings import STLoRAConfig
from stlora_ext.weights import load_weights

CACHE_LIMIT = 4 * 2**30  # bytes of a split's cached forecasts
FORECAST = "backbone_forecast"  # their name in a batch


@dataclass(init=False)
class STLoRAForecastingConfig(ForecastingConfig):
    """ForecastingConfig of a run whose model carries an adapter."""

    # BasicTS wants a default of every field; a run sets both.
    adapter: STLoRAConfig = field(default=None, metadata={"help": "Settings of the adapter."})  # type: ignore
    num_nodes: int = field(default=None, metadata={"help": "Number of sensors."})  # type: ignore
    names: list[str] | None = field(
        default=None, metadata={"help": "Name of each sensor; its adapter file keeps them."}
    )
    protocol: Literal["joint", "adapt", "stream", "new-sensors"] = field(
        default="joint",
        metadata={"help": "Backbone and adapter together from scratch, or in one of the ways that go on from it."},
    )
    adapter_lr: float | None = field(
        default=None,
        metadata={"help": "Learning rate of the adapter; None: the backbone's, 1e-3 where that is frozen."},
    )
    backbone_from: str | None = field(
        default=None, metadata={"help": "Checkpoint of the trained backbone, for protocol adapt."}
    )
    backbone_weights: str | None = field(default=None, metadata={"help": "Hash of that backbone's weights."})
    backbone_hash: str | None = field(
        default=None,
        metadata={"help": "What identifies that backbone: the hash of its run's configuration, or of its weights."},
    )

    def _get_md5(self, serialized: dict) -> str:
        # Settings added since the first records: left out where they don't apply, so that those keep their keys.
        adapter = {
            name: value
            for name, value in serialized["adapter"].items()
            if value or name not in ("time_of_day", "day_of_week", "row_dropout")
        }
        named = {name: value for name, value in serialized.items() if name != "names"}  # they change no result
        return super()._get_md5({**named, "adapter": adapter})


if TYPE_CHECKING:
    _Host = HostRunner  # what the mixin is put over
else:
    _Host = object


class STLoRARunnerMixin(_Host):
    """Puts the adapter on the model that the runner has built, and trains it by the configured protocol.

    The backbone is built first, under the seed; the adapter draws from generators of its own. So a run with and one
    without adapter share initial backbone weights, batches and the backbone's dropout.

    The forecasts of a frozen backbone are computed once, before the first epoch, where they fit into memory;
    ``cached_forecasts`` says whether they are. Settings and sizes decide, never what an interrupted run has left to do,
    so that a resumed run adds as an uninterrupted one.
    """

    model: STLoRA
    cached_forecasts = False

    def __init__(self, cfg: STLoRAForecastingConfig) -> None:
        super().__init__(cfg)
        self.model = attach(
            self.model, cfg.adapter, cfg.num_nodes, seed=derive_seed(cfg.seed, "adapter"), names=cfg.names
        )
        self.model = self.to_running_device(self.model)
        if cfg.adapter.cycles and "inputs_timestamps" not in self.forward_params:
            self.forward_params.append("inputs_timestamps")
        if cfg.protocol != "joint" and cfg.backbone_from is not None:
            path = Path(cfg.backbone_from)
            load_weights(self.model.backbone, load_checkpoint(path)["model_state_dict"], path)
        if cfg.protocol != "joint":
            self.model.freeze_backbone()

    def _init_train(self) -> None:
        super()._init_train()
        backbone = self.model.backbone
        if isinstance(backbone, Fitted) and self.start_epoch == 0 and self.cfg.backbone_from is None:
            fit_model(
                backbone,
                self.train_data_loader.split,
                self.cfg.seed,
                self.run_dir,
                self.progress.over,
                identity_text(self.cfg),
            )
        # One pass costs less than an epoch, whose every step it saves the backbone.
        self.cached_forecasts = (
            self.cfg.protocol != "joint" and self.num_epochs > 1 and self._fits(self.train_data_loader)
        )
        self._cache(self.train_data_loader)

    def _init_validation(self) -> None:
        super()._init_validation()
        self._cache(self.val_data_loader)

    def _cache(self, batches: WindowBatches) -> None:
        """Compute the backbone's forecasts of all windows, in the precision in which it makes them."""
        done = self.start_epoch == self.num_epochs or self.should_training_stop
        if not self.cached_forecasts or done or not self._fits(batches):
            return
        cached: torch.Tensor | None = None
        in_order = WindowBatches(
            batches.split, batches.input_len, batches.output_len, self.cfg.val_batch_size, device=self.device
        )
        self.model.eval()
        with torch.no_grad(), self.model.disable_adapter(), self.autocast():
            first = 0
            for batch in self.progress.over(in_order, "the backbone's forecasts", len(in_order)):
                forecast = self._forward(self.model, batch, 0)["prediction"]
                if cached is None:
                    cached = forecast.new_empty(_shape(batches))
                cached[first : first + len(forecast)] = forecast
                first += len(forecast)
        if cached is not None:
            batches.per_window[FORECAST] = cached

    def _fits(self, batches: WindowBatches) -> bool:
        """Whether the forecasts of all windows fit into memory; those of several processes on one CPU share it."""
        sharing = self.processes.count if self.device.type == "cpu" else 1
        return cached_bytes(*_shape(batches), sharing) > 0

    @property
    def teaches(self) -> bool:
        """Whether a forecast is made to train the backbone: a frozen one forecasts in training as in evaluation."""
        return super().teaches and not self.model.frozen

    def _forward(
        self, model: torch.nn.Module, data: dict[str, Any], step: int, epoch: int | None = None
    ) -> dict[str, Any]:
        if FORECAST not in data:
            result = super()._forward(model, data, step, epoch)
            result.pop("loss", None)  # the backbone's own, of the forecast before it is corrected
            return result
        forecast = self.model.correct(data["inputs"], data[FORECAST], data.get("inputs_timestamps"))
        return {**data, "prediction": forecast}

    def _build_optimizer(self) -> torch.optim.Optimizer:
        """Return the configured optimizer over exactly the trainable tensors, the adapter in a group of its own."""
        settings: dict[str, Any] = dict(self.cfg.optimizer_params)
        backbone = [p for p in self.model.backbone.parameters() if p.requires_grad]
        lr = self.cfg.adapter_lr or (settings["lr"] if backbone else FROZEN_LR)
        groups: list[dict[str, Any]] = [{"params": backbone}] if backbone else []
        groups.append({"params": list(self.model.adapter.parameters()), "lr": lr, "weight_decay": 0.0})
        return self.cfg.optimizer(groups, **settings)

    def on_epoch_start(self, epoch: int) -> None:
        """Give the adapter's dropout the epoch's seeds, so that a resumed run draws what an uninterrupted one draws."""
        super().on_epoch_start(epoch)
        own = self.processes.purpose  # other windows, other elements; the rows that are dropped are the same in all
        self.model.adapter.dropout.reseed(derive_seed(self.cfg.seed, "adapter dropout", epoch, *own))
        self.model.adapter.row_dropout.reseed(derive_seed(self.cfg.seed, "adapter row dropout", epoch))


class STLoRARunner(STLoRARunnerMixin, HostRunner):
    """The repaired host runner, training a model with an adapter."""


def _shape(batches: WindowBatches) -> tuple[int, int, int]:
    return batches.num_windows, batches.output_len, batches.split.scaled.shape[1]


def cached_bytes(windows: int, output_len: int, num_nodes: int, sharing: int = 1) -> int:
    """Return the bytes of a split's cached forecasts; 0 where ``sharing`` processes would hold too many of them."""
    size = 4 * windows * output_len * num_nodes
    return size if size * sharing <= CACHE_LIMIT else 0
