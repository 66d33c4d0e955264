"""The part of the runner that gives a model its inputs and takes its forecast."""

import inspect
from typing import Any

import torch
from basicts.utils import RunnerStatus

from stlora_ext.errors import UserError
from stlora_ext.host.checkpointed import CheckpointedRunner
from stlora_ext.host.config import ForecastingConfig


class ForecastingRunner(CheckpointedRunner):
    """Calls the model with what its forward names, as BasicTS does, except for what is unknown when it forecasts.

    Outside training its ``targets`` are zeros, where BasicTS hands uninitialised memory, and it gets no
    ``targets_mask``: ``stlora_ext.runs.forecast`` gives it the same.
    """

    def __init__(self, cfg: ForecastingConfig) -> None:
        mask = inspect.signature(cfg.model.forward).parameters.get("targets_mask")
        if mask is not None and mask.default is mask.empty:
            raise UserError(
                f"{cfg.model.__name__}: its forward demands targets_mask, known in training alone; "
                "give it a default, targets_mask=None"
            )
        super().__init__(cfg)

    @property
    def teaches(self) -> bool:
        """Whether a forecast is made to train the model that makes it; only then may the model see the targets."""
        return self.status == RunnerStatus.TRAINING

    def autocast(self) -> torch.autocast:
        """The precision of forward passes, as a context."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.cfg.bf16)

    def _forecast(self, batch: dict[str, Any], step: int, epoch: int | None = None) -> dict[str, Any]:
        """Run the model and bring its forecast to the original scale.

        The model sees normalised values only; its ``targets``, if it asks for them, are normalised too.
        """
        with self.autocast():
            forward_return = self._forward(self.model, batch, step, epoch)
        forward_return["prediction"] = self.scaler.inverse_transform(forward_return["prediction"].float())
        forward_return["targets"] = batch["targets"]
        return forward_return

    def _forward(
        self, model: torch.nn.Module, data: dict[str, Any], step: int, epoch: int | None = None
    ) -> dict[str, Any]:
        """Return what the model returns, with the batch."""
        offered = {**data, "step": step, "epoch": epoch if self.teaches else None, "train": self.teaches}
        if "targets" in self.forward_params:
            offered["targets"] = (
                self.scaler.transform(data["targets"], data["targets_mask"])
                if self.teaches
                else torch.zeros_like(data["targets"])
            )
        if not self.teaches:
            del offered["targets_mask"]
        result = model(data["inputs"], **{name: offered[name] for name in self.forward_params if name in offered})
        return {**data, **(result if isinstance(result, dict) else {"prediction": result})}
