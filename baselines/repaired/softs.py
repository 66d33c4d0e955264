from typing import Any

import torch
from basicts.models.SOFTS import SOFTS as BasicTSSOFTS
from basicts.models.SOFTS import SOFTSConfig
from basicts.models.SOFTS.arch.star import STAR


class _STAR(STAR):
    """BasicTS's STAR, called as its encoder calls an attention."""

    def forward(self, hidden_states: torch.Tensor, **unused: Any) -> tuple[torch.Tensor, None, None]:
        """Return what STAR computes, and no weights."""
        return super().forward(hidden_states)[0], None, None


class SOFTS(BasicTSSOFTS):
    """SOFTS, whose nodes are aggregated into a core and the core handed back to each.

    Mended: BasicTS's encoder calls its STAR by an argument that it doesn't have, so no forward pass ends.

    Args:
        config: Settings.
    """

    def __init__(self, config: SOFTSConfig) -> None:
        super().__init__(config)
        for layer in self.encoder.layers:
            layer.self_attn = _STAR(config.hidden_size, config.core_size, config.hidden_act)
