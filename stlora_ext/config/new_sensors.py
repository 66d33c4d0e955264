"""Which sensors are set aside and what is fitted for them, as settings of protocol ``new-sensors``."""

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from stlora_ext.errors import UserError

_LARGEST = 10**9


@dataclass(frozen=True)
class NewSensorsSettings:
    """Which sensors are set aside, and how the weights of each are fitted from a few days.

    Attributes:
        share: Share of the sensors that are set aside.
        split: Number of the draw that chooses them.
        names: Names of the sensors that are set aside instead.
        days: Last days of the training rows that a new sensor's weights are fitted on, one fit each; 0: they are the
            mean of the known sensors'. All training rows come last anyway.
        iterations: Of L-BFGS.
    """

    share: float = 0.2
    split: int = 0
    names: tuple[str, ...] = ()
    days: tuple[float, ...] = (0.0, 1.0, 3.0, 7.0)
    iterations: int = 30

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise UserError(f"new_sensors.share={self.share}: expected a share above 0 and below 1")
        if not 0 <= self.split <= _LARGEST:
            raise UserError(f"new_sensors.split={self.split}: expected a whole number of at least 0")
        if not 1 <= self.iterations <= _LARGEST:
            raise UserError(f"new_sensors.iterations={self.iterations}: expected a whole number of at least 1")
        if any(not 0 <= days < math.inf for days in self.days) or list(self.days) != sorted(set(self.days)):
            raise UserError(
                f"new_sensors.days={list(self.days)}: expected days from 0 on in rising order, like [0, 1, 3]"
            )
        if len(set(self.names)) < len(self.names):
            raise UserError(f"new_sensors.names={list(self.names)}: a sensor is named twice; leave one out")
        object.__setattr__(self, "names", tuple(sorted(self.names)))  # their order changes nothing

    def of_split(self) -> "NewSensorsSettings":
        """Return what an arm reads that fits nothing: which sensors are set aside."""
        usual = NewSensorsSettings()
        return replace(self, days=usual.days, iterations=usual.iterations)

    def changed(self) -> dict[str, Any]:
        """Return the settings that differ from their defaults."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) != f.default}
