"""New sensors for an adapter in service: rows of their own, fitted on a file's readings; nothing else changes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.host.devices import use_device
from stlora_ext.host.scaler import GlobalZScoreScaler
from stlora_ext.lora.expand import expand_adapter, expand_moments
from stlora_ext.lora.files import load_moments, save_adapter
from stlora_ext.lora.model import STLoRA
from stlora_ext.preparation.recent import stamps
from stlora_ext.runs.new_rows import Rows, fit_new_rows
from stlora_ext.runs.service import Start, damaged

if TYPE_CHECKING:
    import pandas as pd

Readings = Callable[[], "tuple[np.ndarray, pd.DatetimeIndex, Meta]"]


@dataclass(frozen=True)
class Added:
    """What was added.

    Attributes:
        until: Time of the last row.
        names: The new sensors.
        fits: Those of them that were fitted together, ``sensors``; the most ``windows`` that one has, 0 where their
            rows are the mean; ``ridge``. Empty where the adapter has no weights per sensor.
        size: Bytes of the file.
    """

    until: "pd.Timestamp"
    names: Sequence[str]
    fits: Sequence[dict[str, Any]]
    size: int


def add_sensors(start: Start, read: Readings, output: Path, gpus: str | None = None) -> Added:
    """Add sensors to an adapter and write its new service file.

    Args:
        start: What they are added to.
        read: Returns the readings of the input, known sensors first, their times, and the description of all.
        output: The new file.
        gpus: Number of the GPU; None or "": CPU.

    Raises:
        UserError: If the adapter is at zero, its backbone holds its nodes, or the input doesn't fit; nothing is
            written then.
    """
    model = start.model
    if not isinstance(model, STLoRA):
        raise UserError(
            f"--add-sensors: {start.said}, so no row could be fitted yet: update it first, without the columns of new "
            "sensors, and add them to the new file"
        )
    if any(statistic.dim() for statistic in start.stats.values()):
        raise UserError(
            f"--add-sensors: {start.source} has a scaler of a mean and a deviation for each sensor, and none for new "
            "ones: save it with one pair for the whole network, or train on all sensors"
        )
    values, times, whole = read()
    names = whole.sensor_ids[start.meta.num_nodes :]
    began = time.monotonic()
    use_device(gpus)
    model.to(f"cuda:{gpus}" if gpus else "cpu").freeze_backbone()
    expanded = expand_adapter(model, names)
    scaler = GlobalZScoreScaler(False, True, start.meta.null_val, dict(start.stats))
    rows = Rows(model.eval(), scaler, values, stamps(times, start.meta), start.exp.training.bf16)
    fitted, fits = fit_new_rows(rows, start.service.seed)
    with torch.no_grad():
        for own, new in zip(expanded.adapter.per_node(), fitted, strict=True):
            own[model.num_nodes :] = new
    described = [
        {"sensors": [names[sensor] for sensor in fit.sensors], "windows": fit.windows, "ridge": fit.ridge}
        for fit in fits
    ]
    done = {
        "names": names,
        "until": times[-1].isoformat(),
        "fits": described,
        "seconds": round(time.monotonic() - began, 3),
    }
    size = save_adapter(
        expanded,
        output,
        scaler=start.stats,
        data_fingerprint=start.meta.fingerprint,
        origin=start.origin,
        optimizer=_moments(start, model, expanded),
        service=replace(start.service, sensors=[*start.service.sensors, done]).as_dict(),
    )
    return Added(times[-1], names, described, size)


def _moments(start: Start, model: STLoRA, expanded: STLoRA) -> torch.optim.Adam | None:
    """Return an Adam with the moments of the file; None before the first update."""
    if start.moments is None:
        return None
    optimizer = torch.optim.Adam(model.adapter.parameters())
    load_moments(optimizer, model, start.moments)
    if not optimizer.state:
        raise damaged(start.moments, f"{start.service.update} updates, none of Adam's moments")
    return expand_moments(optimizer, model, expanded)
