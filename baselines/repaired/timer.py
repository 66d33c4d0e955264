import torch
from basicts.models.Timer import Timer as BasicTSTimer
from basicts.models.Timer import TimerConfig


class Timer(BasicTSTimer):
    """Timer, which forecasts the next patch of each node, patch after patch.

    Mended: BasicTS returns what it forecasts after each patch of the window, of which the last alone lies beyond it.
    Here that one joins the window, until the forecast is long enough. BasicTS's mask fits one node only; here each
    node is a window of its own.

    Args:
        config: Settings; ``patch_len`` divides the window.
    """

    def __init__(self, config: TimerConfig) -> None:
        super().__init__(config)
        self.output_len, self.patch_len = config.output_len, config.patch_len

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Forecast.

        Args:
            inputs: Normalised readings ``[B, input_len, nodes]``.

        Returns:
            torch.Tensor: Normalised forecast ``[B, output_len, nodes]``.
        """
        batch, input_len, _ = inputs.shape
        known = inputs.transpose(1, 2).reshape(-1, input_len, 1)
        while known.shape[1] < input_len + self.output_len:
            known = torch.cat([known, super().forward(known)[:, -self.patch_len :]], dim=1)
        return known[:, input_len : input_len + self.output_len, 0].unflatten(0, (batch, -1)).transpose(1, 2)
