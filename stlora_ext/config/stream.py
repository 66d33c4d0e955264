"""How a model is updated while its data go on, as settings of protocol ``stream``."""

import math
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from stlora_ext.errors import UserError, nearest

STARTS = ("zero", "adapted")
_LARGEST = 10**6
_AT_MOST = {"memory": 1e5, "lr": 1e30, "recency": 1e9}  # float32 ends soon after that rate
_COUNTS = ("every", "steps", "batch_size")
ADAPTER_LR = 3e-3  # of an update of the adapter
_UNSAID = {"recency": 1.0}  # what a key leaves unsaid where it isn't the default: the default of the first runs


@dataclass(frozen=True)
class StreamSettings:
    """How a model is updated. The loss and the clipping of gradients are those of training, the optimizer is Adam.

    Attributes:
        every: Steps of a period, at whose start the model is updated; None: those of a day.
        memory: Days before an update from which its windows are drawn.
        steps: Adam steps of an update.
        lr: Learning rate; None: 3e-3, and for ``finetune`` a tenth of the backbone's first.
        batch_size: Windows of a step; None: the backbone's.
        recency: Weight of the recent past: a window is drawn at ``u ** (1 / recency)`` of the memory, u uniform.
        node_decay: Decay of the per-node weights towards zero: a step multiplies them by ``1 - lr * node_decay``.
        start: What the adapter is before the first update: ``zero``, or ``adapted``, that of protocol ``adapt``.
    """

    every: int | None = None
    memory: float = 14.0
    steps: int = 20
    lr: float | None = None
    batch_size: int | None = None
    recency: float = 4.0
    node_decay: float = 0.0
    start: Literal["zero", "adapted"] = "zero"

    def __post_init__(self) -> None:
        for name in _COUNTS:
            value, least = getattr(self, name), 0 if name == "steps" else 1
            if value is not None and not least <= value <= _LARGEST:
                raise UserError(f"stream.{name}={value}: expected a whole number from {least} to {_LARGEST:,}")
        for name in ("memory", "lr", "recency"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= _AT_MOST[name]:
                raise UserError(f"stream.{name}={value}: expected a number above 0 and up to {_AT_MOST[name]:g}")
        if not 0 <= self.node_decay < math.inf:
            raise UserError(f"stream.node_decay={self.node_decay}: expected a number of at least 0")
        if self.start not in STARTS:
            raise UserError(f"stream.start={self.start!r}: {nearest(str(self.start), STARTS)}")

    def of_base(self) -> "StreamSettings":
        """Return what the base arm reads of them: the length of its periods."""
        return StreamSettings(every=self.every)

    def of_finetune(self) -> "StreamSettings":
        """Return what the finetune arm reads of them: all that isn't the adapter's."""
        return replace(self, node_decay=0.0, start="zero")

    def of_adapter(self) -> "StreamSettings":
        """Return them with the learning rate that an adapter is updated with."""
        return replace(self, lr=ADAPTER_LR) if self.lr is None else self

    def named(self, arm: str) -> dict[str, Any]:
        """Return the settings that a key names: what the arm reads, where the first runs' defaults were others."""
        stream, unsaid = self, {f.name: f.default for f in fields(self)}
        if arm != "base" and self.steps:
            unsaid |= _UNSAID
            stream = self if arm == "finetune" else self.of_adapter()
        return {name: value for name, value in vars(stream).items() if value != unsaid[name]}
