"""Local time: what a clock shows while a data set's rows go by, both days of the clock change included."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

import numpy as np

from stlora_ext.errors import UserError, nearest

if TYPE_CHECKING:
    import pandas as pd

    from stlora_ext.data.prepared import Meta


def is_timezone(name: object) -> bool:
    """Tell whether this is the name of a time zone that this machine knows."""
    try:
        return isinstance(name, str) and bool(ZoneInfo(name))
    except (ValueError, OSError, LookupError):
        return False


def check_timezone(name: str) -> str:
    """Return ``name`` if it is a time zone of the IANA data base.

    Raises:
        UserError: If not, with the nearest name.
    """
    if not is_timezone(name):
        known = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))
        if not known:
            raise UserError("this machine has no time zones: install them with: python -m pip install tzdata")
        hint = nearest(name, known) if name else ""
        close = hint if hint.startswith("did you") else "expected a name such as Europe/Berlin or UTC"
        raise UserError(f"'{name}' is no time zone of the IANA data base: {close}")
    return name


def to_local(times: np.ndarray, timezone: str | None) -> np.ndarray:
    """Return what the clocks of ``timezone`` show at ``times`` (UTC, ``datetime64[us]``); None: ``times``."""
    if timezone is None:
        return times
    import pandas as pd

    utc = pd.DatetimeIndex(times).tz_localize("UTC")
    return utc.tz_convert(timezone).tz_localize(None).to_numpy().astype("datetime64[us]")


def row_axis(meta: "Meta", rows: Sequence[float] | np.ndarray) -> "pd.DatetimeIndex":
    """Return the times of rows of a data set (rows after the last one too), with their offsets where it has a zone."""
    return row_times(meta.start, meta.timezone, meta.interval_seconds, rows)


def row_times(
    start: str, timezone: str | None, interval: float, rows: Sequence[float] | np.ndarray
) -> "pd.DatetimeIndex":
    """Return the times of rows, fractions too, with their offsets where they have a zone.

    Args:
        start: Time of row 0.
        timezone: Whose clock the offsets are of; None where ``start`` has no offset.
        interval: Seconds of a row.
        rows: Numbers of rows.
    """
    import pandas as pd

    first = pd.Timestamp(start)
    if first.tzinfo is not None:
        first = first.tz_convert(timezone)
    return first.as_unit("us") + pd.to_timedelta(np.asarray(rows) * interval, unit="s").as_unit("us")
