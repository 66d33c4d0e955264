import torch
from basicts.models.DUET import DUET as BasicTSDUET
from basicts.models.DUET import DUETConfig
from basicts.models.DUET.arch.mahalanobis_mask import MahalanobisMask

_UNRELATED = -23.0  # what a softmax sees of it is nothing


class _Mask(MahalanobisMask):
    """BasicTS's mask of related nodes, drawn at random in training, the likelier value in evaluation."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return 0 where two nodes are related, and a large negative number elsewhere ``[B, 1, nodes, nodes]``."""
        related = self._calculate_prob_distance(x)
        related = self._bernoulli_gumbel_rsample(related) if self.training else (related > 0.5).to(x)
        return ((1 - related) * _UNRELATED).unsqueeze(1)


class DUET(BasicTSDUET):
    """DUET, with experts by the distribution of a window and attention between related nodes.

    Mended: BasicTS draws the mask of related nodes in evaluation too, so no forecast repeats; the mask lets no gradient
    through; and its callback adds the loss that balances the experts to a number that nothing reads.

    Args:
        config: Settings.
    """

    _required_callbacks: list[type] = []  # noqa: RUF012 (as BasicTS has it)

    def __init__(self, config: DUETConfig) -> None:
        super().__init__(config)
        self.mask_generator = _Mask(config.input_len)

    def forward(self, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        """Forecast, as BasicTS's does; where nothing asks for a gradient, no graph is kept.

        Args:
            inputs: Normalised readings ``[B, input_len, num_features]``.

        Returns:
            dict: ``prediction [B, output_len, num_features]``, and ``aux_loss``, by which experts are balanced.
        """
        asked = inputs.requires_grad or any(parameter.requires_grad for parameter in self.parameters())
        with torch.set_grad_enabled(asked and torch.is_grad_enabled()):
            return super().forward(inputs)
