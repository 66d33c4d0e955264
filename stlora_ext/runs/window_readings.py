"""Windows of some sensors with a backbone's forecasts, as the rows of new sensors are fitted on them."""

import torch
from torch import nn

from stlora_ext.data.windows import WindowBatches
from stlora_ext.host.scaler import GlobalZScoreScaler
from stlora_ext.lora.fit_rows import Readings
from stlora_ext.lora.sample import forward


@torch.no_grad()
def window_readings(
    backbone: nn.Module, scaler: GlobalZScoreScaler, batches: WindowBatches, bf16: bool = False
) -> Readings:
    """Return all windows with the backbone's forecasts.

    Args:
        backbone: It holds no nodes; in eval mode.
        scaler: Its normalisation.
        batches: The windows, at least one.
        bf16: Whether the backbone was trained under bfloat16 autocast.
    """
    parts: dict[str, list[torch.Tensor]] = {"inputs": [], "forecasts": [], "targets": [], "mask": [], "stamps": []}
    for batch in batches:
        with torch.autocast(batch["inputs"].device.type, torch.bfloat16, enabled=bf16):
            parts["forecasts"].append(forward(backbone, batch).float())
        parts["inputs"].append(batch["inputs"])
        parts["targets"].append(scaler.transform(batch["targets"], batch["targets_mask"]))
        parts["mask"].append(batch["targets_mask"])
        parts["stamps"].append(batch["inputs_timestamps"][:, -1])
    return Readings(**{name: torch.cat(tensors) for name, tensors in parts.items()})
