from typing import Any

import torch
from basicts.models.Koopa import Koopa as BasicTSKoopa
from basicts.models.Koopa import KoopaConfig
from basicts.models.Koopa.arch.layers import FourierFilter, KPLayer
from basicts.models.Koopa.callback.koopa_mask_init import KoopaMaskInitCallback


class _Filter(FourierFilter):
    """BasicTS's filter, whose frequencies are a part of the checkpoint."""

    def __init__(self, count: int, frequencies: int) -> None:
        torch.nn.Module.__init__(self)
        if count > frequencies:
            raise ValueError(f"a window has {frequencies} frequencies, not {count}: expected alpha up to 1")
        self.register_buffer("mask_spectrum", (torch.arange(count) + 1) % frequencies)  # 0, the mean, is subtracted
        self.register_buffer("chosen", torch.tensor(False))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the rest of the windows ``x [B, steps, nodes]``, and what their strongest frequencies make."""
        rest = torch.fft.rfft(x, dim=1).index_fill(1, self.mask_spectrum, 0)
        variant = torch.fft.irfft(rest, n=x.shape[1], dim=1)  # BasicTS's lacks a step of an odd window
        return variant, x - variant


class _Dynamics(KPLayer):
    """BasicTS's step from segment to segment, fitted by a pseudo-inverse: its least squares don't repeat to the bit."""

    def forward(self, z: torch.Tensor, pred_len: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ``z [B, segments, dynamic_dim]`` as the step makes it, and the ``pred_len`` segments that follow."""
        if z.shape[1] < 2:
            raise ValueError(f"{z.shape[1]} segment in a window: expected at least 2, so a smaller seg_len")
        before, after = z[:, :-1], z[:, 1:]
        step = torch.linalg.pinv(before) @ after
        following = [z[:, -1:] @ step]
        for _ in range(1, pred_len):
            following.append(following[-1] @ step)
        return torch.cat([z[:, :1], before @ step], dim=1), torch.cat(following, dim=1)


class Koopa(BasicTSKoopa):
    """Koopa, which splits a window into its strongest frequencies, the same in all windows, and the rest.

    Mended: BasicTS's callback waits for an event that doesn't exist, so the time-variant half of the model gets zeros;
    and the frequencies are in no checkpoint. Here they are the lowest until ``KoopaFrequencies`` chooses them.

    Args:
        config: Settings; ``enc_in`` is the number of nodes, ``alpha`` the share of frequencies.
    """

    def __init__(self, config: KoopaConfig) -> None:
        super().__init__(config)
        if config.multistep:
            raise ValueError("multistep=True: its least squares don't repeat to the bit; leave it out")
        for predictor in self.time_var_kps:
            predictor.dynamics = _Dynamics()
        frequencies = config.input_len // 2 + 1
        self.disentanglement = _Filter(max(1, int(frequencies * config.alpha)), frequencies)


class KoopaFrequencies(KoopaMaskInitCallback):
    """Chooses the frequencies of a Koopa before the first epoch: the strongest of the training windows as its filter
    gets them, each normalised. Of others the strongest is the mean, of which the filter finds nothing.
    """

    @torch.no_grad()
    def on_train_start(self, runner: Any) -> None:
        """Choose them, unless a checkpoint has brought them."""
        for module in runner.model.modules():
            if isinstance(module, Koopa) and not module.disentanglement.chosen:
                windows = (_normalised(batch["inputs"]) for batch in runner.train_data_loader)
                parts = (torch.fft.rfft(part, dim=1).abs().mean((0, 2)) for part in windows)
                spectrum = module.disentanglement.mask_spectrum
                spectrum.copy_(sum(parts).topk(len(spectrum)).indices)
                module.disentanglement.chosen.fill_(True)


def _normalised(windows: torch.Tensor) -> torch.Tensor:
    """Return windows ``[B, steps, nodes]`` as the forward pass of a Koopa normalises them."""
    centred = windows - windows.mean(1, keepdim=True)
    return centred / torch.sqrt(centred.var(1, keepdim=True, unbiased=False) + 1e-5)
