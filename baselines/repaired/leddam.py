import torch
from basicts.models.Leddam import Leddam as BasicTSLeddam
from basicts.models.Leddam import LeddamConfig
from basicts.models.Leddam.arch.leddam_layers import LearnableDecomposition


class _Smoothing(LearnableDecomposition):
    """BasicTS's trainable kernel, along each node's own embedding."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the smooth part of the embeddings ``x [B, nodes, hidden_size]``, in the same shape."""
        rows: torch.Tensor = self.conv(x.reshape(-1, 1, x.shape[2]))
        return rows.view(x.shape)


class Leddam(BasicTSLeddam):
    """Leddam, which splits each node's embedding into a smooth part and the rest, and attends over the rest.

    Mended: BasicTS's smoothing goes over neighbouring nodes, in the order of the data set's columns, so that a node's
    smooth part is mostly of other nodes; in the paper each series is smoothed by itself.

    Args:
        config: Settings; ``kernel_size`` is how many places of the embedding the smoothing covers.
    """

    def __init__(self, config: LeddamConfig) -> None:
        super().__init__(config)
        self.denoising_layer = _Smoothing(config.kernel_size)
