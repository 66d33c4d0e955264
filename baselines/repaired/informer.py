import torch
from basicts.models.Informer import Informer as BasicTSInformer
from basicts.models.Informer import InformerConfig

from baselines.repaired.decoder_start import decoder_start


class Informer(BasicTSInformer):
    """Informer, whose decoder begins with the end of the window and zeros in the place of the forecast.

    Mended: BasicTS's decoder takes the targets themselves, each of its steps its own, so training learns to copy them;
    and its attention draws keys at random in evaluation, so no forecast repeats. Here an evaluation draws the same
    keys every time.

    Args:
        config: Settings; ``label_len`` is how many steps of the window the decoder begins with.
    """

    def __init__(self, config: InformerConfig) -> None:
        super().__init__(config)
        self.label_len = config.label_len

    def forward(
        self, inputs: torch.Tensor, inputs_timestamps: torch.Tensor, targets_timestamps: torch.Tensor
    ) -> torch.Tensor:
        """Forecast.

        Args:
            inputs: Normalised readings ``[B, input_len, num_features]``.
            inputs_timestamps: Time of day and day of week of the window ``[B, input_len, 2]``.
            targets_timestamps: Of the forecast ``[B, output_len, 2]``.

        Returns:
            torch.Tensor: Normalised forecast ``[B, output_len, num_features]``.
        """
        known, stamps = decoder_start(inputs, inputs_timestamps, targets_timestamps, self.label_len)
        if self.training:
            return super().forward(inputs, known, inputs_timestamps, stamps)
        with torch.random.fork_rng(devices=[]):  # the keys are drawn on the CPU
            torch.manual_seed(0)
            return super().forward(inputs, known, inputs_timestamps, stamps)
