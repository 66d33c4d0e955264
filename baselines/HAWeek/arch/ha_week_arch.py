import torch
from torch import nn

from ..config.ha_week_config import HAWeekConfig

_DAYS = 7
_ROWS = 4096  # taken at a time in float64
_EARLY = 1e-6  # of a day: float32 may put a time a little before its slot


class HAWeek(nn.Module):
    """Historical average by time of the week: a sensor's mean over the training rows of the same day and time.

        y[b, h, i] = mean of x[t, i] over the training rows t with slot(t) = slot(b, h) and a reading of i

    A slot is a time of day on a day of the week. Where a sensor has no reading in it, it takes the sensor's mean at
    that time of all days; without such a reading, the sensor's mean; of a sensor never seen, 0, the global mean. The
    input window doesn't matter. It is fitted, not trained.

    Args:
        config: Lengths, number of nodes, steps of a day.
    """

    def __init__(self, config: HAWeekConfig) -> None:
        super().__init__()
        self.steps_per_day = config.steps_per_day
        self.register_buffer("slot_mean", torch.zeros(_DAYS * config.steps_per_day, config.num_nodes))

    def fit(self, data: torch.Tensor, mask: torch.Tensor, timestamps: torch.Tensor) -> None:
        """Take the means over the training rows, in float64.

        Args:
            data: Normalised readings ``[rows, num_nodes]``, 0 where missing.
            mask: True where a reading is there, ``[rows, num_nodes]``.
            timestamps: Time of day and day of week of the rows, in [0, 1), ``[rows, 2]``.
        """
        # On the CPU a sum over slots has one order.
        slots = self._slots(timestamps.cpu())
        sums = torch.zeros(self.slot_mean.shape, dtype=torch.float64)
        counts = torch.zeros_like(sums)
        for begin in range(0, len(data), _ROWS):
            rows = slice(begin, begin + _ROWS)
            here = mask[rows].cpu()
            sums.index_add_(0, slots[rows], data[rows].cpu().double() * here)
            counts.index_add_(0, slots[rows], here.double())
        sums, counts = (table.view(_DAYS, self.steps_per_day, -1) for table in (sums, counts))
        node_mean = _mean(sums.sum(dim=(0, 1)), counts.sum(dim=(0, 1)), 0.0)
        time_of_day_mean = _mean(sums.sum(dim=0), counts.sum(dim=0), node_mean)
        self.slot_mean.copy_(_mean(sums, counts, time_of_day_mean).view(self.slot_mean.shape))

    def forward(self, inputs: torch.Tensor, targets_timestamps: torch.Tensor) -> torch.Tensor:
        """Forecast.

        Args:
            inputs: Normalised readings ``[B, input_len, num_nodes]``.
            targets_timestamps: Time of day and day of week of the steps to forecast ``[B, output_len, 2]``.

        Returns:
            torch.Tensor: Normalised forecast ``[B, output_len, num_nodes]``.
        """
        return self.slot_mean[self._slots(targets_timestamps)].to(inputs.dtype)

    def _slots(self, timestamps: torch.Tensor) -> torch.Tensor:
        """Return the slot of every time."""
        step = ((timestamps[..., 0].double() + _EARLY) * self.steps_per_day).long() % self.steps_per_day
        day = (timestamps[..., 1] * _DAYS + 0.5).long() % _DAYS
        return day * self.steps_per_day + step


def _mean(sums: torch.Tensor, counts: torch.Tensor, otherwise: torch.Tensor | float) -> torch.Tensor:
    return torch.where(counts > 0, sums / counts.clamp(min=1), otherwise)
