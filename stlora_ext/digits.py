"""How many decimals numbers are printed with: enough for three significant digits where they are below 0.1."""

import math

_NOISE = 1e-9  # smaller sizes are what rounding leaves
_SHARE = 1e-6  # of the largest number of a cell; what is smaller is equal to 0 as records are compared


def places(*values: float | None, least: int = 2) -> int:
    """Return the decimals of numbers that are printed together.

    ``least``, or where all are below 0.1 in size as many as show three significant digits of the largest; and enough
    for the first digit of the smallest, so that nothing but 0 is printed as 0.

    Args:
        values: A mean and its spread, or its interval; None doesn't count.
        least: Decimals of larger numbers.
    """
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    sizes = [abs(value) for value in values if value and abs(value) > max(_NOISE, _SHARE * largest)]
    if not sizes or not math.isfinite(largest):
        return least
    found = least if largest >= 0.1 else max(least, 2 - _exponent(largest))
    return max(found, -_exponent(min(sizes))) if round(min(sizes), found) == 0 else found


def _exponent(size: float) -> int:
    return math.floor(math.log10(size))


def number(value: float | None, least: int = 2, sign: str = "") -> str:
    """Return ``value`` with its ``places``, "n/a" for None; ``sign`` "+" shows that of positive ones."""
    return "n/a" if value is None else f"{value:{sign}.{places(value, least=least)}f}"


def with_spread(value: float, spread: float | None, least: int = 2, sign: str = "") -> str:
    """Return "value ± spread", both with the same decimals; the value alone where the spread is None."""
    digits = places(value, spread, least=least)
    return f"{value:{sign}.{digits}f}" + ("" if spread is None else f" ± {spread:.{digits}f}")


def with_interval(value: float, low: float, high: float, sign: str = "+") -> str:
    """Return "value (low to high)", all with the same decimals."""
    digits = places(value, low, high)
    return f"{value:{sign}.{digits}f} ({low:{sign}.{digits}f} to {high:{sign}.{digits}f})"
