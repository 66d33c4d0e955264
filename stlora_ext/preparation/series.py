"""What lies between every reader and the writer: one table of readings and what is known about it."""

from dataclasses import dataclass, field

import numpy as np

from stlora_ext.data.local_time import to_local
from stlora_ext.errors import UserError
from stlora_ext.preparation.graph import Graph


@dataclass
class Series:
    """Readings of a sensor network. None means that the file does not say.

    Attributes:
        values: Readings, float32 ``[T, N]``; missing ones are NaN or ``null_val``.
        times: Time of each row, ``datetime64[us]`` ``[T]``: UTC where ``timezone`` is set and ``wall`` isn't, else what
            the clock shows.
        interval: Seconds per row.
        sensor_ids: Name of each column.
        graph: The road graph, where the file holds one.
        null_val: The reading that means missing, where the file states one.
        timezone: Where the clock hangs, where that is stated.
        wall: Whether rows are regular on that clock, not in absolute time: days, or blocks of hours.
        nominal: Whether ``times`` have the right weekday and time of day but no true date.
        notes: What the reader did that the user should know.
        positions: Latitude and longitude of each sensor in degrees, ``[N, 2]``.
    """

    values: np.ndarray
    times: np.ndarray | None = None
    interval: int | None = None
    sensor_ids: list[str] | None = None
    graph: Graph | None = None
    null_val: float | None = None
    timezone: str | None = None
    wall: bool = False
    nominal: bool = False
    notes: list[str] = field(default_factory=list)
    positions: np.ndarray | None = None

    @property
    def known_times(self) -> np.ndarray:
        """``times``, where the file says them or they have been set."""
        assert self.times is not None
        return self.times

    @property
    def absolute_zone(self) -> str | None:
        """The time zone, where ``times`` are UTC."""
        return None if self.wall else self.timezone

    @property
    def local_times(self) -> np.ndarray:
        """What the clock shows at each row, ``datetime64[us]``."""
        return to_local(self.known_times, self.absolute_zone)


def to_float32(values: np.ndarray, origin: str) -> np.ndarray:
    """Cast readings to C-contiguous, writeable float32, copying only where needed.

    Args:
        values: Numbers of any real type.
        origin: The file, for the message.

    Raises:
        UserError: If they are not real numbers.
    """
    if values.dtype.kind not in "fiu":
        raise UserError(f"{origin} holds values of type {values.dtype}: expected real numbers")
    with np.errstate(over="ignore", invalid="ignore"):
        return np.require(values, np.float32, ["C", "W"])


def in_float32(value: float) -> bool:
    """Tell whether float32 holds a number: NaN, or a finite one within its range."""
    return not abs(value) > float(np.finfo(np.float32).max)


def check_ids(sensor_ids: list[str], num_nodes: int, origin: str) -> None:
    """Check that there is one name per column and that no name occurs twice.

    Raises:
        UserError: If not, naming the count or the repeated name.
    """
    if len(sensor_ids) != num_nodes:
        raise UserError(
            f"{origin} names {len(sensor_ids)} sensors, the data have {num_nodes} columns: "
            "expected one name per column, in the order of the columns"
        )
    seen: set[str] = set()
    for name in sensor_ids:
        if not name.strip():
            raise UserError(
                f"{origin} has a sensor without a name: expected a name for every column; name it, or drop the column"
            )
        if name in seen:
            raise UserError(f"{origin} names sensor '{name}' twice: expected names that differ; rename or drop one")
        seen.add(name)
