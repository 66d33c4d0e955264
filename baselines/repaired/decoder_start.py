import torch


def decoder_start(
    window: torch.Tensor, inputs_timestamps: torch.Tensor, targets_timestamps: torch.Tensor, label_len: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what a decoder begins with: the end of the window, then zeros in the place of the forecast.

    Args:
        window: Readings as the model sees them ``[B, input_len, N]``.
        inputs_timestamps: Times of the window ``[B, input_len, 2]``.
        targets_timestamps: Of the forecast ``[B, output_len, 2]``.
        label_len: Steps of the window that it begins with.

    Returns:
        tuple: The readings ``[B, label_len + output_len, N]``, and their times ``[B, label_len + output_len, 2]``.
    """
    zeros = window.new_zeros(len(window), targets_timestamps.shape[1], window.shape[2])
    known = torch.cat([window[:, -label_len:], zeros], dim=1)
    return known, torch.cat([inputs_timestamps[:, -label_len:], targets_timestamps], dim=1)
