import torch
from basicts.models.NonstationaryTransformer import (
    NonstationaryTransformerConfig,
    NonstationaryTransformerForForecasting,
)
from basicts.modules.transformer.utils import prepare_causal_attention_mask

from baselines.repaired.decoder_start import decoder_start


class NonstationaryTransformer(NonstationaryTransformerForForecasting):
    """Non-stationary Transformer, which normalises each window and gives its attention back what that takes away.

    Mended: BasicTS's decoder begins with the readings as they came, and its steps see those after them. Here it begins
    with the end of the normalised window and zeros, as what its forecast is scaled back from, and no step looks ahead.

    Args:
        config: Settings; ``label_len`` is how many steps of the window the decoder begins with.
    """

    def __init__(self, config: NonstationaryTransformerConfig) -> None:
        if config.output_attentions:
            raise ValueError("output_attentions=True: only its forecast is returned; leave it out")
        super().__init__(config)

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
        encoded, _, tau, delta = self.backbone(inputs, inputs_timestamps)
        mean, std = self.backbone.mean, self.backbone.std  # of each window and node, [B, 1, num_features]
        window = (inputs - mean) / std
        known, stamps = decoder_start(window, inputs_timestamps, targets_timestamps, self.label_len)
        ahead = prepare_causal_attention_mask(known.shape[:2], known)
        decoded = self.decoder(self.dec_embedding(known, stamps), encoded, ahead, tau=tau, delta=delta)[0]
        forecast: torch.Tensor = self.prediction_head(decoded[:, -self.output_len :]) * std + mean
        return forecast
