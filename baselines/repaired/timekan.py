import torch
from basicts.models.TimeKAN import TimeKAN as BasicTSTimeKAN
from basicts.models.TimeKAN import TimeKANConfig
from basicts.models.TimeKAN.arch.timekan_layers import FrequencyMixingLayer, frequency_interpolation


class _Mixing(FrequencyMixingLayer):
    """The bands of a window, each through its own network, added up from the lowest to the highest."""

    def forward(self, level_list: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return the bands ``[rows, steps, hidden_size]``, the highest first, as they come."""
        mixed = [self.front_block(level_list[-1])]
        for block, band in zip(self.front_blocks, reversed(level_list[:-1]), strict=True):
            below = mixed[-1].transpose(1, 2)
            mixed.append(block(band) + frequency_interpolation(below, below.shape[2], band.shape[1]).transpose(1, 2))
        return mixed[::-1]


class TimeKAN(BasicTSTimeKAN):
    """TimeKAN, which splits a window into bands of frequencies and gives each a Kolmogorov-Arnold network.

    Mended: BasicTS adds the band below before its network and leaves the lowest out, so all networks but the last get
    no gradient.

    Args:
        config: Settings; the window can be halved ``down_sampling_layers`` times.
    """

    def __init__(self, config: TimeKANConfig) -> None:
        window = config.down_sampling_window
        if config.input_len % window:
            raise ValueError(f"input_len={config.input_len}: expected a multiple of down_sampling_window={window}")
        super().__init__(config)
        self.freq_mixing_layers = torch.nn.ModuleList(_Mixing(config) for _ in range(config.num_layers))
