"""Settings as frozen dataclasses, and how a user's key=value reaches them with name and type checked."""

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Optional, get_args, get_origin, get_type_hints

from stlora_ext.errors import UserError, nearest

_LARGEST = 10**9
LENGTHS = ("input_len", "output_len")
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
    adapter_lr: Optional[float] = None
    clip_grad_norm: Optional[float] = None
    curriculum_warm_up: Optional[int] = None
    curriculum_every: int = 1
    patience: int = 20
    val_interval: int = 1
    input_len: Optional[int] = None
    output_len: Optional[int] = None
    bf16: bool = False

    @property
    def curriculum(self) -> bool:
        """Whether the horizon curriculum is on."""
        return self.curriculum_warm_up is not None and self.num_epochs >= CURRICULUM_EPOCHS

    def __post_init__(self) -> None:
        for name in ("num_epochs", "batch_size", "eval_batch_size", "patience", "val_interval", "curriculum_every",
                     *LENGTHS):
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


def field_names(cls: type) -> list[str]:
    """Return the names of a dataclass's public fields."""
    return [field.name for field in fields(cls) if not field.name.startswith("_")]


def checked(cls: type, values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return ``values`` with every key a field of the dataclass ``cls`` and every value of its type.

    Raises:
        UserError: On an unknown key, with the nearest one, or a value of another type.
    """
    names, hints, result = field_names(cls), get_type_hints(cls), {}
    for key, value in values.items():
        if key not in names:
            raise UserError(f"unknown key '{prefix}{key}': {nearest(key, names)}")
        result[key] = _coerce(f"{prefix}{key}", value, hints[key])
    return result


def parse_assignments(assignments: list[str]) -> dict[str, Any]:
    """Parse ``["lr=0.01", "model.dropout=0.2"]`` into a dictionary; values are Python literals or text.

    Raises:
        UserError: On anything but key=value, and on a key with two different values.
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals or not key:
            raise UserError(f"--set {assignment}: expected key=value, for example --set lr=0.001")
        try:
            value = ast.literal_eval(text)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            value = text
        if values.setdefault(key, value) != value:
            raise UserError(f"--set {key}: it is given twice, as {values[key]} and {value}; leave one of them out")
    return values


def _coerce(name: str, value: Any, hint: Any) -> Any:
    if get_origin(hint) is None and hint in (int, float, bool, str):
        if hint is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, hint) and not (hint in (int, float) and isinstance(value, bool)):
            if hint is float and not math.isfinite(value):
                raise UserError(f"{name}={value}: expected a finite number")
            return value
        raise UserError(f"{name}={value!r}: expected {hint.__name__}")
    if get_origin(hint) is tuple:
        if isinstance(value, (list, tuple)):
            return tuple(_coerce(name, item, get_args(hint)[0]) for item in value)
        raise UserError(f"{name}={value!r}: expected a list such as [1, 50]")
    if type(None) in get_args(hint):
        if value is None:
            return None
        return _coerce(name, value, next(arg for arg in get_args(hint) if arg is not type(None)))
    return value
