"""A trained model in use, in Python: ``load_run`` opens it, ``forecast`` goes from one table to the next."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from stlora_ext.config.experiment import Experiment
from stlora_ext.data.available import open_dataset
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.folders import DATA, RESULTS
from stlora_ext.host.scaler import GlobalZScoreScaler
from stlora_ext.preparation.recent import frame_series, stamps, window
from stlora_ext.runs.build import trained_on
from stlora_ext.runs.forecast import forecast
from stlora_ext.runs.reopen import load_adapted, load_model, open_run, read_origin, sensors_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class LoadedRun:
    """A trained model with the data set that it knows.

    Attributes:
        model: The model, in eval mode.
        scaler: Its normalisation.
        meta: The data set: sensors (those that the model knows), interval, window lengths, null value.
        exp: How it was trained.
    """

    model: nn.Module
    scaler: GlobalZScoreScaler
    meta: Meta
    exp: Experiment

    @property
    def title(self) -> str:
        """Data set and model: "PEMS08/LSTM+"."""
        return f"{self.exp.dataset}/{self.exp.model}"

    @property
    def sensors(self) -> list[str]:
        """Name of each sensor, in the order of the forecast's columns."""
        return list(self.meta.sensor_ids)

    def forecast(self, readings: "pd.DataFrame") -> "pd.DataFrame":
        """Forecast the steps after the last rows of a table.

        Args:
            readings: A row per step, indexed by time, at least as many as the input has; the last ones are used. A
                column per sensor, named by its id, in any order; NaN where a reading is missing. Original units.

        Returns:
            pd.DataFrame: ``[output_len, sensors]``, indexed by the times after the last row, in original units.

        Raises:
            UserError: If a sensor is missing or unknown, rows are too few or not one interval apart, a reading is
                infinite or none is there, or the model forecasts NaN or infinity.
        """
        values, times = window(frame_series(readings, self.meta), self.meta, "the table of readings")
        return self.forecast_window(values, times)

    def forecast_window(self, values: "np.ndarray", times: "pd.DatetimeIndex") -> "pd.DataFrame":
        """Forecast the steps after a window that ``preparation.recent`` has cut.

        Args:
            values: Readings in original units ``[input_len, N]``, NaN where missing.
            times: Those of the window and of the steps to forecast.

        Raises:
            UserError: As ``forecast`` of ``stlora_ext.runs.forecast``.
        """
        import pandas as pd

        bf16 = self.exp.training.bf16
        predicted = forecast(self.model, self.scaler.stats, self.meta, values, stamps(times, self.meta), bf16)
        return pd.DataFrame(predicted, times[self.meta.input_len :].rename("time"), self.sensors)


def load_run(
    path: str | Path,
    *,
    backbone: str | Path | None = None,
    data: str | Path = DATA,
    results: str | Path = RESULTS,
    device: str | torch.device = "cpu",
) -> LoadedRun:
    """Open a trained model to forecast with it.

    Args:
        path: The record (.json) or the model.pt of a finished run, or an adapter or service file (.safetensors).
        backbone: Of such a file, the checkpoint with its backbone's weights; None: the model.pt beside it.
        data: Folder of the prepared data sets, of which the model's own must be there.
        results: Folder of the runs, for a record without its run's folder beside it.
        device: Where it computes, such as "cuda".

    Raises:
        UserError: If something is absent or damaged, or doesn't belong together, the model was trained without some
            sensors, or there is no such device.
    """
    path, data, results, device = Path(path), Path(data), Path(results), checked_device(device)
    model: nn.Module
    if path.suffix == ".safetensors":
        origin = read_origin(path)
        exp, meta = origin.exp, open_dataset(origin.exp.dataset, data)
        model, stats = load_adapted(origin, meta, data, None if backbone is None else Path(backbone))
        meta = sensors_of(origin, meta)
    else:
        refuse_backbone(path, backbone)
        run, meta = open_run(path, results, data)
        exp = run.exp
        model, stats = load_model(run, meta, data)
        meta = trained_on(exp, meta)
    return LoadedRun(model.to(device), GlobalZScoreScaler(False, True, meta.null_val, stats), meta, exp)


def refuse_backbone(path: Path, backbone: str | Path | None) -> None:
    """Refuse a backbone that is named beside a record or a checkpoint.

    Raises:
        UserError: If one is.
    """
    if backbone is not None:
        raise UserError(
            f"--backbone {backbone}: only an adapter file (.safetensors) needs one, {path.name} "
            "holds the whole model; leave it out"
        )


def checked_device(device: str | torch.device) -> torch.device:
    """Return a device of this machine.

    Raises:
        UserError: If it is none.
    """
    try:
        known = torch.device(device)
        torch.zeros(1, device=known)
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
        reason = str(error).splitlines()[0]
        raise UserError(f"device {device} cannot be used ({reason}): expected 'cpu', or a GPU as 'cuda'") from None
    return known
