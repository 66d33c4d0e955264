"""Forecasts outside a run: readings in, the next steps out, in original units."""

import numpy as np
import torch
from torch import nn

from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.host.scaler import GlobalZScoreScaler, observed
from stlora_ext.lora.sample import forward


def forecast(
    model: nn.Module,
    stats: dict[str, torch.Tensor],
    meta: Meta,
    values: np.ndarray,
    stamps: np.ndarray,
    bf16: bool = False,
) -> np.ndarray:
    """Forecast the steps after one input window, as the runner forecasts those of the test set.

    Args:
        model: In eval mode.
        stats: ``mean`` and ``std`` of the normalisation.
        meta: The data set: window lengths and null value.
        values: Readings in original units ``[input_len, N]``, float32; NaN or the null value where missing.
        stamps: Time of day and day of week of the input steps and of the steps to forecast
            ``[input_len + output_len, 2]``, float32.
        bf16: Whether the model was trained under bfloat16 autocast.

    Returns:
        np.ndarray: ``[output_len, N]``, float32, original units.

    Raises:
        UserError: If no reading is there, or the model forecasts NaN or infinity.
    """
    if not observed(torch.tensor(values), meta.null_val).any():
        raise UserError(
            f"the last {meta.input_len} rows hold no reading at all, every value is missing: expected at "
            "least one; bring rows with readings"
        )
    prediction = forecast_windows(model, stats, meta, values[None], stamps[None], bf16)[0]
    if not np.isfinite(prediction).all():
        raise UserError(
            "the model forecasts NaN or infinity from these readings: look for extreme values in the last "
            f"{meta.input_len} rows"
        )
    return prediction


@torch.no_grad()
def forecast_windows(
    model: nn.Module,
    stats: dict[str, torch.Tensor],
    meta: Meta,
    values: np.ndarray,
    stamps: np.ndarray,
    bf16: bool = False,
) -> np.ndarray:
    """Forecast the steps after each of several input windows, at once.

    Args:
        model: In eval mode, on any device.
        stats: As of ``forecast``, like ``meta`` and ``bf16``.
        meta: As there.
        values: Readings in original units ``[windows, input_len, N]``; NaN or the null value where missing.
        stamps: Time of day and day of week ``[windows, input_len + output_len, 2]``.
        bf16: As there.

    Returns:
        np.ndarray: ``[windows, output_len, N]``, float32, original units.
    """
    device = device_of(model)
    scaler = GlobalZScoreScaler(False, True, meta.null_val, stats)
    inputs = torch.tensor(values, dtype=torch.float32, device=device)
    mask = observed(inputs, meta.null_val)
    times = torch.tensor(stamps, dtype=torch.float32, device=device)
    batch = {
        "inputs": scaler.transform(inputs, mask),
        "inputs_mask": mask,
        "inputs_timestamps": times[:, : meta.input_len],
        "targets_timestamps": times[:, meta.input_len :],
        "targets": inputs.new_empty(len(inputs), meta.output_len, meta.num_nodes),
    }
    return forecast_batch(model, scaler, batch, bf16).cpu().numpy()


def device_of(model: nn.Module) -> torch.device:
    """Return where a model computes."""
    return next((tensor.device for tensor in (*model.parameters(), *model.buffers())), torch.device("cpu"))


@torch.no_grad()
def forecast_batch(
    model: nn.Module, scaler: GlobalZScoreScaler, batch: dict[str, torch.Tensor], bf16: bool = False
) -> torch.Tensor:
    """Forecast a batch of ``WindowBatches``, whose targets the model doesn't see.

    Returns:
        torch.Tensor: ``[windows, output_len, N]``, float32, original units.
    """
    with torch.autocast(batch["inputs"].device.type, torch.bfloat16, enabled=bf16):
        scaled = forward(model, batch)
    return scaler.inverse_transform(scaled.float())
