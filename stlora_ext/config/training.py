"""How a model is trained, as settings."""

import math
from dataclasses import dataclass

from stlora_ext.errors import UserError

_LARGEST = 10**9
LENGTHS = ("input_len", "output_len")
FROZEN_LR = 1e-3  # the adapter's learning rate where the backbone is frozen
CURRICULUM_EPOCHS = 100  # a shorter run would end before its loss covers the horizon


@dataclass(frozen=True)
class TrainingSettings:
    """How a model is trained. The loss is masked MAE on the original scale, the optimizer Adam.

    Attributes:
        num_epochs: Epochs at most.
        batch_size: Windows per training step.
        eval_batch_size: Windows per evaluation step.
        lr: Learning rate.
        weight_decay: Adam's L2 penalty.
        lr_milestones: Epochs after which the learning rate is multiplied by ``lr_gamma``.
        lr_gamma: That factor.
        adapter_lr: Learning rate of the adapter; None: ``lr``, and 1e-3 where the backbone is frozen.
        clip_grad_norm: Largest norm of the gradient; None: not clipped.
        curriculum_warm_up: Epochs before the horizon curriculum begins; None: no curriculum. A run of fewer than
            ``CURRICULUM_EPOCHS`` epochs has none either.
        curriculum_every: Epochs until the curriculum's loss covers one more step.
        patience: Validations without improvement before training stops.
        val_interval: Epochs between validations; the last epoch is always validated.
        input_len: Input steps of a window; None: those of the data set, which has no others.
        output_len: Forecast steps of a window, likewise.
        bf16: Forward passes under bfloat16 autocast.
    """

    num_epochs: int = 100
    batch_size: int = 64
    eval_batch_size: int = 64
    lr: float = 1e-3
    weight_decay: float = 0.0
    lr_milestones: tuple[int, ...] = ()
    lr_gamma: float = 0.5
    adapter_lr: float | None = None
    clip_grad_norm: float | None = None
    curriculum_warm_up: int | None = None
    curriculum_every: int = 1
    patience: int = 20
    val_interval: int = 1
    input_len: int | None = None
    output_len: int | None = None
    bf16: bool = False

    @property
    def curriculum(self) -> bool:
        """Whether the horizon curriculum is on."""
        return self.curriculum_warm_up is not None and self.num_epochs >= CURRICULUM_EPOCHS

    def __post_init__(self) -> None:
        for name in (
            "num_epochs",
            "batch_size",
            "eval_batch_size",
            "patience",
            "val_interval",
            "curriculum_every",
            *LENGTHS,
        ):
            value = getattr(self, name)
            if value is None and name in LENGTHS:
                continue
            if not 1 <= value <= _LARGEST:
                raise UserError(f"{name}={value}: expected a whole number of at least 1 and at most {_LARGEST}")
        if not (0 < self.lr < math.inf and 0 <= self.weight_decay < math.inf):
            raise UserError(f"lr={self.lr}, weight_decay={self.weight_decay}: expected lr > 0 and weight_decay >= 0")
        if not 0 < self.lr_gamma <= 1:
            raise UserError(f"lr_gamma={self.lr_gamma}: expected a factor above 0 and at most 1")
        for name in ("clip_grad_norm", "adapter_lr"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UserError(f"{name}={value}: expected a number above 0, or None")
