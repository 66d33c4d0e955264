"""How many decimals a figure is printed with: below 0.1 as many as show three significant digits."""

import math
from typing import Optional

_NOISE = 1e-9  # smaller sizes are what rounding leaves


def places(value: float, spread: Optional[float] = None, least: int = 2) -> int:
    """Return the decimals of ``value``: ``least``, or below 0.1 in size as many as show three significant digits.

    Args:
        value: What is printed.
        spread: What is printed beside it with the same decimals, such as a standard deviation; there are enough for
            its first digit, too.
        least: Decimals of larger values.
    """
    found = least
    if _NOISE < abs(value) < 0.1:
        found = max(found, 2 - math.floor(math.log10(abs(value))))
    if spread is not None and spread > _NOISE and round(spread, found) == 0:
        found = max(found, -math.floor(math.log10(spread)))
    return found


def number(value: Optional[float], least: int = 2, sign: str = "") -> str:
    """Return ``value`` with its ``places``, "n/a" for None; ``sign`` "+" shows that of positive ones."""
    return "n/a" if value is None else f"{value:{sign}.{places(value, least=least)}f}"


def with_spread(value: float, spread: Optional[float], least: int = 2, sign: str = "") -> str:
    """Return "value ± spread", both with the same decimals; a spread of None is "n/a"."""
    digits = places(value, spread, least)
    return f"{value:{sign}.{digits}f} ± " + ("n/a" if spread is None else f"{spread:.{digits}f}")
