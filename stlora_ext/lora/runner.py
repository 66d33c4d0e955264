"""Training with an adapter: its own optimizer group, frozen backbones, its own randomness."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Optional

import torch

from stlora_ext.data.prepared import fingerprint
from stlora_ext.errors import UserError
from stlora_ext.host.checkpoint import load_checkpoint, load_weights
from stlora_ext.host.config import ForecastingConfig
from stlora_ext.host.fitting import fit_model
from stlora_ext.host.randomness import derive_seed
from stlora_ext.host.runner import HostRunner
from stlora_ext.lora.model import attach
from stlora_ext.lora.predictor import STLoRAConfig

FROZEN_LR = 1e-3  # the adapter's learning rate where the backbone has none


@dataclass(init=False)
class STLoRAForecastingConfig(ForecastingConfig):
    """ForecastingConfig of a run whose model carries an adapter."""

    adapter: STLoRAConfig = field(default=None, metadata={"help": "Settings of the adapter."})
    num_nodes: int = field(default=None, metadata={"help": "Number of sensors."})
    protocol: Literal["joint", "adapt"] = field(default="joint", metadata={"help": "Backbone and adapter together from "
                                                                                   "scratch, or the adapter alone."})
    adapter_lr: Optional[float] = field(default=None, metadata={"help": "Learning rate of the adapter; None: the "
                                                                        "backbone's, 1e-3 where that is frozen."})
    backbone_from: Optional[str] = field(default=None, metadata={"help": "Checkpoint of the trained backbone, for "
                                                                         "protocol adapt."})
    backbone_hash: Optional[str] = field(default=None, metadata={"help": "Hash of that backbone's weights."})


class STLoRARunnerMixin:
    """Puts the adapter on the model that the runner has built, and trains it by the configured protocol.

    The backbone is built first, under the seed; the adapter draws from generators of its own. So a run with and one
    without adapter share initial backbone weights, batches and the backbone's dropout.
    """

    def __init__(self, cfg: STLoRAForecastingConfig) -> None:
        super().__init__(cfg)
        self.model = attach(self.model, cfg.adapter, cfg.num_nodes, seed=derive_seed(cfg.seed, "adapter"))
        self.model = self.to_running_device(self.model)
        if cfg.protocol == "adapt":
            if cfg.backbone_from is not None:
                path = Path(cfg.backbone_from)
                load_weights(self.model.backbone, load_checkpoint(path)["model_state_dict"], path)
            self.model.freeze_backbone()

    def _init_train(self) -> None:
        super()._init_train()
        if hasattr(self.model.backbone, "fit") and self.start_epoch == 0 and self.cfg.backbone_from is None:
            fit_model(self.model.backbone, self.train_data_loader.split, self.cfg.seed, self.run_dir)

    def _build_optimizer(self) -> torch.optim.Optimizer:
        """Return the configured optimizer over exactly the trainable tensors, the adapter in a group of its own."""
        settings: dict[str, Any] = dict(self.cfg.optimizer_params)
        backbone = [p for p in self.model.backbone.parameters() if p.requires_grad]
        lr = self.cfg.adapter_lr or (settings["lr"] if backbone else FROZEN_LR)
        groups = [{"params": backbone}] if backbone else []
        groups.append({"params": list(self.model.adapter.parameters()), "lr": lr, "weight_decay": 0.0})
        return self.cfg.optimizer(groups, **settings)

    def on_epoch_start(self, epoch: int) -> None:
        """Give the adapter's dropout the epoch's seed, so that a resumed run draws what an uninterrupted one draws."""
        super().on_epoch_start(epoch)
        self.model.adapter.dropout.reseed(derive_seed(self.cfg.seed, "adapter dropout", epoch))


class STLoRARunner(STLoRARunnerMixin, HostRunner):
    """The repaired host runner, training a model with an adapter."""


def load_backbone_hash(path: Path) -> str:
    """Return a hash of the weights in a trained backbone's checkpoint.

    Raises:
        UserError: If the checkpoint is absent, damaged, or one with an adapter.
    """
    state = load_checkpoint(path).get("model_state_dict")
    if not state:
        raise UserError(f"checkpoint {path} holds no model: expected the model.pt of a finished base run")
    if any(name.startswith("adapter.") for name in state):
        raise UserError(f"checkpoint {path} carries an adapter already: expected the model.pt of a finished base run")
    return fingerprint({name: tensor.numpy() for name, tensor in state.items()})
