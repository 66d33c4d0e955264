"""Callbacks that train a model on more than the runner's loss, the masked MAE on the original scale."""

import inspect
from typing import Any

import torch
from basicts.runners.callback import BasicTSCallback

from stlora_ext.wrapped import unwrapped


class AuxiliaryLoss(BasicTSCallback):
    """Adds what the model returns as ``aux_loss`` to the runner's loss, weighted as on the normalised scale."""

    def on_compute_loss(self, runner: Any, **kwargs: Any) -> None:
        """Put the sum where the runner reads it; a frozen model's has no gradient and is left out."""
        result = kwargs["forward_return"]
        more = result.get("aux_loss")
        if isinstance(more, torch.Tensor) and more.requires_grad:
            loss = runner.loss(result["prediction"], result["targets"], result["targets_mask"])
            result["loss"] = loss + more.sum() * runner.scaler.stats["std"].mean().to(loss)


class OwnLoss(BasicTSCallback):
    """Trains on ``own_loss`` of the model, on the normalised scale; with an adapter, of the corrected forecast."""

    def on_compute_loss(self, runner: Any, **kwargs: Any) -> None:
        """Put it where the runner reads it; of a model that reconstructs its window, it covers that too."""
        data, result = kwargs["data"], kwargs["forward_return"]
        forecast = runner.scaler.transform(result["prediction"])
        targets, mask = runner.scaler.transform(data["targets"], data["targets_mask"]), data["targets_mask"]
        if "reconstruction" in result:
            forecast = torch.cat([result["reconstruction"], forecast], dim=1)
            targets, mask = (
                torch.cat([data[f"inputs{what}"], after], dim=1) for what, after in (("", targets), ("_mask", mask))
            )
        model = unwrapped(runner.model)
        own_loss = unwrapped(getattr(model, "backbone", model)).own_loss
        masks = {"targets_mask": mask} if "targets_mask" in inspect.signature(own_loss).parameters else {}
        loss = own_loss(forecast, targets, **masks)
        result["loss"] = torch.where(forecast.isfinite().all(), loss, torch.nan)  # BasicTS's losses turn NaN into 0
