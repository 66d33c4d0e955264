import torch
from torch import nn

from ..config.ha_config import HAConfig


class HA(nn.Module):
    """The mean of the window: a node's mean over its non-missing input steps, the same at every horizon.

        y[b, h, i] = sum_t m[b, t, i] x[b, t, i] / sum_t m[b, t, i]

    The table of the paper calls it historical average; the mean by time of the week is HA-week.
    A node whose whole window is missing is forecast by its training mean. It is fitted, not trained.

    Args:
        config: Lengths and number of nodes.
    """

    def __init__(self, config: HAConfig) -> None:
        super().__init__()
        self.output_len = config.output_len
        self.register_buffer("node_mean", torch.zeros(config.num_nodes))

    def fit(self, data: torch.Tensor, mask: torch.Tensor) -> None:
        """Take each node's mean over the training rows; a node never seen gets 0, the global mean.

        Args:
            data: Normalised readings ``[rows, num_nodes]``, 0 where missing.
            mask: True where a reading is there, ``[rows, num_nodes]``.
        """
        count = mask.sum(dim=0)
        self.node_mean.copy_((data * mask).sum(dim=0, dtype=torch.float64) / count.clamp(min=1))

    def forward(self, inputs: torch.Tensor, inputs_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Forecast.

        Args:
            inputs: Normalised readings ``[B, input_len, num_nodes]``, 0 where missing.
            inputs_mask: True where a reading is there, same shape; None: nothing is missing.

        Returns:
            torch.Tensor: Normalised forecast ``[B, output_len, num_nodes]``.
        """
        if inputs_mask is None:
            mean = inputs.mean(dim=1)
        else:
            count = inputs_mask.sum(dim=1)
            mean = torch.where(count > 0, (inputs * inputs_mask).sum(dim=1) / count.clamp(min=1), self.node_mean)
        return mean.unsqueeze(1).repeat(1, self.output_len, 1)
