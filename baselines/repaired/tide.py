import torch
from basicts.models.TiDE import TiDE as BasicTSTiDE
from basicts.models.TiDE import TiDEConfig


class TiDE(BasicTSTiDE):
    """TiDE, dense encoder and decoder with weights shared by all nodes.

    Mended: BasicTS goes through the nodes one by one, and takes the times of the forecast from the wrong steps where
    the forecast isn't as long as the window. Here all nodes are one batch. Its last block normalises a single number,
    which makes it a constant and all but a linear layer idle; here it doesn't.

    Args:
        config: Settings.
    """

    def __init__(self, config: TiDEConfig) -> None:
        super().__init__(config)
        self.temporal_decoder.ln = torch.nn.Identity()

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
        if self.use_revin:
            inputs = self.revin(inputs, "norm")
        windows = inputs.transpose(1, 2)  # [B, N, input_len]
        times = self.feature_encoder(torch.cat([inputs_timestamps, targets_timestamps], dim=1)).unsqueeze(1)
        times = times.expand(-1, windows.shape[1], -1, -1)  # [B, N, input_len + output_len, encoded]
        hidden = self.dense_encoders(torch.cat([windows, times.flatten(2)], dim=2))
        decoded = self.dense_decoders(hidden).unflatten(2, (self.output_len, -1))
        steps = self.temporal_decoder(torch.cat([times[:, :, self.input_len :], decoded], dim=3)).squeeze(3)
        forecast = (steps + self.residual_proj(windows)).transpose(1, 2)
        return self.revin(forecast, "denorm") if self.use_revin else forecast
