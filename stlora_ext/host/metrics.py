"""MAE, RMSE and MAPE of a whole data set, from sums that are accumulated exactly."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

METRICS = ("MAE", "RMSE", "MAPE")
ZERO_TOLERANCE = 5e-5  # MAPE skips targets nearer to zero than this


class MaskedMAE(nn.Module):
    """Mean absolute error over the targets that are there; 0 if none is.

    Unlike BasicTS's masked_mae it lets NaN through, so that a diverged model can't pass for a perfect one. Of a part of
    a batch it is the sum of the errors, divided by the ``count`` of the whole batch's targets.
    """

    def forward(
        self,
        prediction: torch.Tensor,
        targets: torch.Tensor,
        targets_mask: torch.Tensor,
        count: torch.Tensor | None = None,
    ) -> torch.Tensor:
        return _MaskedMAE.apply(prediction, targets, targets_mask, count)


class _MaskedMAE(torch.autograd.Function):
    """The masked mean, with one tensor kept for the backward pass: the loss is a good part of a cheap model's step."""

    @staticmethod
    def forward(
        ctx: Any, prediction: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor, count: torch.Tensor | None
    ) -> torch.Tensor:
        there = _numbers(mask)
        error = torch.sub(prediction, targets, out=prediction.new_empty(prediction.shape)).mul_(there)  # contiguous
        if count is None:
            count = torch.count_nonzero(mask).clamp_(min=1)  # faster than a sum on a CPU
        ctx.save_for_backward(error, count)
        return error.abs().sum() / count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        error, count = ctx.saved_tensors
        return error.sign().mul_(gradient / count), None, None, None


def masked_mae_plain(
    prediction: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor, count: torch.Tensor | None = None
) -> torch.Tensor:
    """Define :class:`MaskedMAE`: the sum of ``|prediction - targets|`` where the mask is, over how many those are."""
    return ((prediction - targets).abs() * mask).sum() / (mask.sum().clamp(min=1) if count is None else count)


class MetricSums:
    """Sums of errors per horizon and node over any number of batches.

    Errors are formed in float32, as forecasts are, and added in float64; the averages over horizons and nodes
    are pooled over all targets that are there, so they don't depend on the batch size.

    Args:
        output_len: Forecast steps.
        num_nodes: Sensors.
        device: Where the sums are kept.
        every: Windows of a period, for sums per period too; the windows then come in order. None: no such sums.
    """

    def __init__(self, output_len: int, num_nodes: int, device: torch.device, every: int | None = None) -> None:
        names = ("absolute", "squared", "count", "relative", "relative_count")
        self._sums = {name: torch.zeros(output_len, num_nodes, dtype=torch.float64, device=device) for name in names}
        self._periods = None if every is None else PeriodSums(every)

    def update(self, prediction: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> None:
        """Add a batch: ``prediction``, ``targets`` and ``mask``, each ``[B, output_len, num_nodes]``."""
        error = torch.sub(prediction, targets, out=prediction.new_empty(prediction.shape)).abs_()
        error.mul_(_numbers(mask))  # NaN stays NaN
        size = targets.abs()
        nonzero = mask & (size >= ZERO_TOLERANCE)
        relative = error / torch.where(nonzero, size, math.inf)
        for name, values in (("absolute", error), ("squared", error.square()), ("relative", relative)):
            self._sums[name] += values.sum(dim=0, dtype=torch.float64)
        for name, there in (("count", mask), ("relative_count", nonzero)):
            self._sums[name] += _numbers(there).sum(dim=0)
        if self._periods is not None:
            self._periods.update(error, mask)

    def finite(self) -> bool:
        """Return whether every forecast so far was a number (of a size whose square is one too)."""
        return bool(torch.isfinite(self._sums["squared"]).all())

    def average(self) -> dict[str, float | None]:
        """Return MAE, RMSE and MAPE (percent) pooled over all steps and nodes."""
        return _scores({name: total.sum() for name, total in self._sums.items()})

    def result(self) -> dict[str, Any]:
        """Return all scores: ``average``; ``horizons``, a list over steps; ``nodes``, lists over nodes.

        A score with no target behind it is None.
        """
        steps = {name: total.sum(dim=1) for name, total in self._sums.items()}
        nodes = {name: total.sum(dim=0) for name, total in self._sums.items()}
        per_node = [_scores({name: total[i] for name, total in nodes.items()}) for i in range(len(nodes["count"]))]
        return {
            "average": self.average(),
            "horizons": [
                _scores({name: total[i] for name, total in steps.items()}) for i in range(len(steps["count"]))
            ],
            "nodes": {metric: [scores[metric] for scores in per_node] for metric in METRICS},
            "num_targets": int(self._sums["count"].sum()),
            **({} if self._periods is None else {"periods": self._periods.result()}),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return the sums so far, for ``load_state_dict``."""
        return {"sums": self._sums, "periods": None if self._periods is None else self._periods.windows()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from the sums that ``state_dict`` returned."""
        self._sums = {name: total.to(self._sums[name].device) for name, total in state["sums"].items()}
        if self._periods is not None:
            self._periods = PeriodSums(self._periods.every, state["periods"])


class PeriodSums:
    """Sums of errors per period: the windows of a test set in order, so many a period.

    Args:
        every: Windows of a period.
        windows: Sums of the windows so far ``[3, windows]``, float64: absolute errors, squared ones, targets.
    """

    def __init__(self, every: int, windows: torch.Tensor | None = None) -> None:
        self.every = every
        self._windows = [] if windows is None else [windows.cpu()]

    def update(self, error: torch.Tensor, mask: torch.Tensor) -> None:
        """Add the next windows: absolute errors, 0 where no target is, and where one is, ``[B, output_len, N]``."""
        sums = [values.sum(dim=(1, 2), dtype=torch.float64) for values in (error, error.square(), _numbers(mask))]
        self._windows.append(torch.stack(sums).cpu())

    def windows(self) -> torch.Tensor:
        """Return the sums of each window, ``[3, windows]``."""
        return torch.cat([torch.zeros(3, 0, dtype=torch.float64), *self._windows], dim=1)

    def result(self) -> dict[str, Any]:
        """Return ``every`` and, a number for each period, ``absolute``, ``squared`` and ``count``."""
        sums = torch.stack([part.sum(dim=1) for part in self.windows().split(self.every, dim=1)], dim=1)
        absolute, squared, count = sums.tolist()
        return {
            "every": self.every,
            "absolute": absolute,
            "squared": squared,
            "count": [int(targets) for targets in count],
        }


def _numbers(mask: torch.Tensor) -> torch.Tensor:
    """Return a mask's bytes as 0 and 1, which a CPU turns into floats much faster than booleans."""
    return mask.view(torch.uint8)


def _scores(sums: dict[str, torch.Tensor]) -> dict[str, float | None]:
    count, relative_count = sums["count"].item(), sums["relative_count"].item()
    return {
        "MAE": sums["absolute"].item() / count if count else None,
        "RMSE": math.sqrt(sums["squared"].item() / count) if count else None,
        "MAPE": 100 * sums["relative"].item() / relative_count if relative_count else None,
    }
