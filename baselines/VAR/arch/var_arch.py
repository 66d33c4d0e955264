import numpy as np
import scipy.linalg
import torch
from torch import nn

from ..config.var_config import VARConfig

# Readings are float32: singular values below its precision are rounding, not dynamics.
_CUTOFF = np.finfo(np.float32).eps


class VAR(nn.Module):
    """Vector autoregression over all nodes, iterated to the horizon.

        y_t = c + sum_k C_k y_(t-k) + error, k = 1..order

    Least squares on the normalised training rows, by a rank-revealing solver: constant or duplicated sensors make the
    normal equations singular, and the solution of least norm still answers. It is fitted, not trained.

    Args:
        config: Lengths, number of nodes, order.

    Raises:
        ValueError: If the order is below 1, or the window shorter than it.
    """

    node_mean: torch.Tensor
    intercept: torch.Tensor
    coefficients: torch.Tensor

    def __init__(self, config: VARConfig) -> None:
        super().__init__()
        if config.order < 1:
            raise ValueError(f"order={config.order}: expected 1 or more")
        if config.input_len < config.order:
            raise ValueError(
                f"VAR: order={config.order} needs as many input steps, input_len is {config.input_len}; "
                f"set model.order={config.input_len}, or prepare the data set with a longer input"
            )
        self.order, self.output_len = config.order, config.output_len
        self.register_buffer("node_mean", torch.zeros(config.num_nodes))
        self.register_buffer("intercept", torch.zeros(config.num_nodes))
        self.register_buffer("coefficients", torch.zeros(config.order * config.num_nodes, config.num_nodes))

    def fit(self, data: torch.Tensor, mask: torch.Tensor) -> None:
        """Solve for the coefficients.

        Args:
            data: Normalised readings ``[rows, num_nodes]``, 0 where missing.
            mask: True where a reading is there, ``[rows, num_nodes]``.
        """
        self.node_mean.copy_((data * mask).sum(dim=0, dtype=torch.float64) / mask.sum(dim=0).clamp(min=1))
        series = self._filled(data[None], mask[None])[0].double().cpu().numpy()
        lags = [series[self.order - k : len(series) - k] for k in range(1, self.order + 1)]
        system = np.concatenate([*lags, np.ones((len(lags[0]), 1)), series[self.order :]], axis=1)
        unknowns = system.shape[1] - series.shape[1]  # order N + 1
        # A triangle of the unknowns' size has the same solution; the solver's pivoting is slow on all the rows.
        triangle = scipy.linalg.qr(system, mode="r", overwrite_a=True, check_finite=False)[0][:unknowns]
        solution = scipy.linalg.lstsq(
            triangle[:, :unknowns], triangle[:, unknowns:], cond=_CUTOFF, lapack_driver="gelsy", check_finite=False
        )[0]
        self.coefficients.copy_(torch.from_numpy(solution[:-1]))
        self.intercept.copy_(torch.from_numpy(solution[-1]))

    def forward(self, inputs: torch.Tensor, inputs_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Forecast.

        Args:
            inputs: Normalised readings ``[B, input_len, num_nodes]``, 0 where missing.
            inputs_mask: True where a reading is there, same shape; None: nothing is missing.

        Returns:
            torch.Tensor: Normalised forecast ``[B, output_len, num_nodes]``.
        """
        window = inputs if inputs_mask is None else self._filled(inputs, inputs_mask)
        recent = list(window.unbind(dim=1)[-self.order :])
        for _ in range(self.output_len):
            past = torch.cat(recent[: -self.order - 1 : -1], dim=1)  # the latest step first
            recent.append(torch.addmm(self.intercept, past, self.coefficients))
        return torch.stack(recent[self.order :], dim=1)

    def _filled(self, data: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Carry the last reading forward; before a node's first reading, take its mean. ``[B, steps, num_nodes]``."""
        steps = torch.arange(data.shape[1], device=data.device)[None, :, None]
        last = torch.where(mask, steps, -1).cummax(dim=1).values
        return torch.where(last >= 0, data.gather(1, last.clamp(min=0)), self.node_mean)
