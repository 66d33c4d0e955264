"""Normalisation by one mean and standard deviation over the readings that are there."""

from collections.abc import Iterator

import numpy as np
import torch
from basicts.scaler import BasicTSScaler

from stlora_ext.errors import UserError

ROWS = 4096  # taken at a time, so that no more than a part is held twice


def observed(data: torch.Tensor, null_val: float) -> torch.Tensor:
    """Return where ``data`` holds a reading: not NaN and not within 5e-5 of ``null_val``."""
    mask = ~torch.isnan(data)
    if null_val == null_val:
        mask &= (data - null_val).abs() >= 5e-5
    return mask


class GlobalZScoreScaler(BasicTSScaler):
    """Z-score whose statistics skip missing readings; one pair for the whole network by default.

    Args:
        norm_each_channel: One mean and std per node instead of one for all.
        rescale: Kept for BasicTS's interface; forecasts are always evaluated on the original scale.
        null_val: The reading that means missing; NaN readings are missing always.
        stats: ``{"mean", "std"}`` of an earlier fit.
    """

    stats: dict[str, torch.Tensor]

    def __init__(
        self, norm_each_channel: bool, rescale: bool, null_val: float = float("nan"), stats: dict | None = None
    ) -> None:
        super().__init__(norm_each_channel, rescale, stats or {})
        self.null_val = null_val

    def fit(self, data: np.ndarray | torch.Tensor) -> None:
        """Compute mean and std of ``data [rows, num_nodes]`` in float64; a second call changes nothing.

        Raises:
            UserError: If no reading is there.
        """
        if self.stats:
            return
        dims = (0,) if self.norm_each_channel else (0, 1)
        total = count = squares = torch.zeros((), dtype=torch.float64)
        for part, mask in self._parts(data):
            total = total + part.sum(dim=dims, dtype=torch.float64)
            count = count + mask.sum(dim=dims)
        if not count.any():
            raise UserError("the training rows hold no reading at all: every value is missing")
        count = count.clamp(min=1)
        mean = total / count
        for part, mask in self._parts(data):
            squares = squares + ((part.double() - mean) * mask).square().sum(dim=dims)
        std = (squares / count).sqrt()
        std = torch.where(std == 0, torch.ones_like(std), std)
        self.stats = {"mean": mean.float(), "std": std.float()}

    def _parts(self, data: np.ndarray | torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield pieces of rows, 0 where missing, with where they aren't; ``data`` may be larger than memory."""
        for begin in range(0, len(data), ROWS):
            part = torch.from_numpy(np.array(data[begin : begin + ROWS]))
            mask = observed(part, self.null_val)
            yield part.masked_fill(~mask, 0.0), mask

    def transform(self, input_data: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Return ``(x - mean) / std``, and 0 where ``mask`` is False."""
        scaled = (input_data - self._stat("mean", input_data)) / self._stat("std", input_data)
        return scaled if mask is None else scaled.masked_fill(~mask, 0.0)

    def inverse_transform(self, input_data: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Return ``x std + mean``, and 0 where ``mask`` is False."""
        original = input_data * self._stat("std", input_data) + self._stat("mean", input_data)
        return original if mask is None else original.masked_fill(~mask, 0.0)

    def _stat(self, name: str, like: torch.Tensor) -> torch.Tensor:
        if self.stats[name].device != like.device:
            self.stats = {key: value.to(like.device) for key, value in self.stats.items()}
        return self.stats[name]
