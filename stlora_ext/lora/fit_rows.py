"""The weights of new sensors, fitted from their readings with everything else frozen.

    minimise over the rows r_i   sum_i mean |forecast_i + correction(r_i) - target_i| + ridge |r_i - m|^2 / v

m is the mean of the known sensors' rows and v the mean of their variances over the row, in each layer. All readings are
taken at once, by L-BFGS in float64, so the fit is deterministic.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from stlora_ext.lora.predictor import Predictor
from stlora_ext.lora.settings import STLoRAConfig

_CELLS = 2**12  # sensors times windows that are corrected at once: their activations stay in the processor's cache


@dataclass(frozen=True)
class Readings:
    """What new sensors forecast from and are compared with, window by window.

    Attributes:
        inputs: Normalised readings ``[W, input_len, N]``.
        forecasts: The backbone's, normalised ``[W, output_len, N]``.
        targets: Normalised readings ``[W, output_len, N]``.
        mask: Where a target is, likewise.
        stamps: Time of day and day of week of the last input step ``[W, 2]``.
    """

    inputs: torch.Tensor
    forecasts: torch.Tensor
    targets: torch.Tensor
    mask: torch.Tensor
    stamps: torch.Tensor

    def rows(self, windows: slice) -> "Readings":
        """Return some of the windows."""
        return Readings(**{name: part[windows] for name, part in vars(self).items()})

    def sensors(self, columns: slice) -> "Readings":
        """Return some of the sensors."""
        per_sensor = {name: part[:, :, columns] for name, part in vars(self).items() if name != "stamps"}
        return Readings(**per_sensor, stamps=self.stamps)

    def seen(self, x: str) -> torch.Tensor:
        """Return what a predictor sees of them: X, ``[W, channels, N]``."""
        parts = {"window": (self.inputs,), "forecast": (self.forecasts,), "both": (self.inputs, self.forecasts)}
        return torch.cat(parts[x], dim=1)

    def double(self) -> "Readings":
        """Return them in float64."""
        parts = vars(self).items()
        return Readings(**{name: part if part.dtype is torch.bool else part.double() for name, part in parts})


def mean_rows(known: Predictor, without: Sequence[int] | None = None) -> list[torch.Tensor]:
    """Return the mean of the known sensors' rows in each layer ``[...]``; ``without`` one: a mean each ``[K, ...]``."""
    means = []
    for own in known.per_node():
        rows = own.detach().double()
        if without is None:
            means.append(rows.mean(dim=0))
        else:
            means.append((rows.sum(dim=0) - rows[list(without)]) / (len(rows) - 1))
    return means


def with_rows(known: Predictor, config: STLoRAConfig, rows: Sequence[torch.Tensor], num_nodes: int) -> Predictor:
    """Return the predictor of ``num_nodes`` other sensors: what the known ones share, and their rows ``[N, ...]``."""
    predictor = Predictor(replace(config, row_dropout=0.0, dropout=0.0), num_nodes)
    own = {id(tensor) for tensor in predictor.per_node()}
    shared = dict(known.named_parameters())
    with torch.no_grad():
        for name, tensor in predictor.named_parameters():
            if id(tensor) not in own:
                tensor.copy_(shared[name])
    predictor = predictor.to(shared["conv_weight"])
    with torch.no_grad():
        for tensor, row in zip(predictor.per_node(), rows, strict=True):
            tensor.copy_(row)
    return predictor.eval()


def fit_rows(
    known: Predictor,
    config: STLoRAConfig,
    readings: Readings,
    ridge: float,
    iterations: int,
    start: Sequence[torch.Tensor] | None = None,
) -> list[torch.Tensor]:
    """Fit the rows of new sensors.

    Args:
        known: The trained predictor of the known sensors.
        config: Its settings.
        readings: Those of the new sensors; without a window, the rows are the mean.
        ridge: Strength of the pull towards the mean of the known rows.
        iterations: Of L-BFGS.
        start: Rows that the fit starts from and is pulled to, in each layer ``[...]`` or ``[N, ...]``; None: the mean
            of the known ones.

    Returns:
        list: For each layer the rows ``[N, ...]``, float64.
    """
    num_nodes = readings.inputs.shape[2]
    centre = [
        rows.expand(num_nodes, *own.shape[1:]).clone()
        for rows, own in zip(start or mean_rows(known), known.per_node(), strict=True)
    ]
    if not len(readings.inputs) or not centre:
        return centre
    readings = readings.double()
    predictor = with_rows(known, config, centre, num_nodes).double()
    predictor.requires_grad_(False)
    rows = predictor.per_node()
    for row, start_row in zip(rows, centre, strict=True):
        row.copy_(start_row)
        row.requires_grad_(True)
    variances = [own.detach().double().var(dim=0, unbiased=False).mean().clamp_min(1e-12) for own in known.per_node()]
    parts = _parts(readings, predictor, config.x, max(1, _CELLS // num_nodes))
    optimizer = torch.optim.LBFGS(
        rows,
        max_iter=iterations,
        max_eval=2 * iterations,
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        pulls = zip(rows, centre, variances, strict=True)
        loss = torch.stack([ridge * (row - middle).square().sum() / variance for row, middle, variance in pulls]).sum()
        loss.backward()
        total = loss.detach()
        for embedded, missed, weight in parts:
            loss = ((missed + predictor.corrected(embedded)).abs() * weight).sum()
            loss.backward()
            total += loss.detach()
        return total

    optimizer.step(closure)
    return [row.detach() for row in rows]


@torch.no_grad()
def _parts(readings: Readings, predictor: Predictor, x: str, at_once: int) -> list[tuple[torch.Tensor, ...]]:
    """Return parts of the windows: H0, which no row enters, the backbone's error, each target's weight in its mean."""
    weights = readings.mask.double() / readings.mask.sum(dim=(0, 1)).clamp_min(1)
    parts = [readings.rows(slice(at, at + at_once)) for at in range(0, len(readings.inputs), at_once)]
    return [
        (
            predictor.embedded(part.seen(x), part.stamps),
            (part.forecasts - part.targets).permute(2, 0, 1).contiguous(),
            weight.permute(2, 0, 1).contiguous(),
        )
        for part, weight in zip(parts, weights.split(at_once), strict=True)
    ]
