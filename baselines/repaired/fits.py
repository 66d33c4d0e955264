import warnings
from collections.abc import Callable

import torch
from basicts.models.FITS import FITS as BasicTSFITS
from basicts.models.FITS import FITSConfig


class FITS(BasicTSFITS):
    """FITS, which interpolates the spectrum of a window to that of window and forecast.

    Mended: BasicTS computes its loss inside the forward pass, from targets that count missing readings as zeros. Here
    ``own_loss`` is the loss of what comes out, whoever computes it; with ``training_mode="xy"`` that includes
    ``reconstruction``, the window. Where window and forecast are an odd number of steps together, BasicTS makes one too
    few, and takes the last of the window for the first of the forecast.

    Args:
        config: Settings.
    """

    training_mode: str
    own_loss: Callable[..., torch.Tensor]

    def __init__(self, config: FITSConfig) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Complex modules are a new feature")
            super().__init__(config)
        self.own_loss = self.loss_fn
        steps, made = self.input_len + self.output_len, int(self.cut_freq * self.len_ratio)
        if made > steps // 2 + 1:
            raise ValueError(
                f"input_len={self.input_len} and output_len={self.output_len}: cut_freq={self.cut_freq} makes {made} "
                f"frequencies, and {steps} steps have {steps // 2 + 1}; give a smaller cut_freq or a longer window"
            )

    def forward(self, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        """Forecast.

        Args:
            inputs: Normalised readings ``[B, input_len, num_features]``.

        Returns:
            dict: ``prediction [B, output_len, num_features]``; with ``training_mode="xy"`` also ``reconstruction
            [B, input_len, num_features]``.
        """
        spectrum = torch.fft.rfft(self.revin(inputs, "norm"), dim=1)[:, : self.cut_freq]  # [B, cut_freq, num_features]
        if self.individual:
            made = int(self.cut_freq * self.len_ratio)
            wide = spectrum.new_zeros(len(spectrum), made, spectrum.shape[2])
            for node, layer in enumerate(self.freq_upsampler):
                wide[:, :, node] = layer(spectrum[:, :, node])
        else:
            wide = self.freq_upsampler(spectrum.transpose(1, 2)).transpose(1, 2)
        steps = self.input_len + self.output_len
        padded = wide.new_zeros(len(wide), steps // 2 + 1, wide.shape[2])
        padded[:, : wide.shape[1]] = wide
        series = torch.fft.irfft(padded, n=steps, dim=1) * self.len_ratio
        series = self.revin(series, "denorm")
        forecast = {"prediction": series[:, -self.output_len :]}
        if self.training_mode == "xy":
            forecast["reconstruction"] = series[:, : self.input_len]
        return forecast
