import torch
from basicts.models.HI import HI as BasicTSHI
from basicts.models.HI import HIConfig


class HI(BasicTSHI):
    """Historical inertia: the last ``output_len`` steps of the window are the forecast.

    Mended: BasicTS gives it a parameter that nothing uses, so that an optimizer has one, and its training loop doesn't
    end. Here it is fitted, and there is nothing to fit.

    Args:
        config: Lengths; the input is at least as long as the forecast.
    """

    _required_callbacks: list[type] = []  # noqa: RUF012 (as BasicTS has it)

    def __init__(self, config: HIConfig) -> None:
        if config.input_len < config.output_len:
            raise ValueError(f"input_len={config.input_len}: HI repeats the last output_len={config.output_len} steps")
        super().__init__(config)
        del self.fake_param

    def fit(self, data: torch.Tensor, mask: torch.Tensor) -> None:
        """Fit nothing."""
