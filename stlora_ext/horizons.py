"""Which steps of a forecast are reported, and what a reader calls them."""

from collections.abc import Sequence

from stlora_ext.errors import UserError

_UNITS = ((86400, "d", "day"), (3600, "h", "hour"), (60, "min", "minute"), (1, "s", "second"))


def reported_steps(num_steps: int, asked: Sequence[int] | None = None, of: str = "") -> tuple[int, ...]:
    """Return the steps that are reported of a forecast of ``num_steps``, in order, each once.

    A quarter, half and all of them, rounded up: 3, 6 and 12 of 12. The average over all is reported beside them.

    Args:
        num_steps: Steps of the forecast.
        asked: Steps to report instead.
        of: Whose forecast it is, for the message.

    Raises:
        UserError: If the forecast has no such step.
    """
    if asked is None:
        return tuple(sorted({-(-num_steps // part) for part in (4, 2, 1)}))
    for step in asked:
        if not 1 <= step <= num_steps:
            raise UserError(
                f"--horizons {' '.join(map(str, asked))}: the forecast{f' of {of}' if of else ''} has "
                f"{num_steps} step{'s' * (num_steps != 1)}; name steps from 1 to {num_steps}"
            )
    return tuple(sorted(set(asked)))


def step_title(step: int, interval: float) -> str:
    """Return how far ahead ``step`` is, ``interval`` minutes a step: "90 s", "15 min", "3 h", "2 d", "16 h 45 min".

    The unit is the largest of which it is a whole number, at least two, or one where each step is a whole number of it.
    A number of four digits is told in two units.
    """
    seconds = round(60 * interval)
    ahead = step * seconds
    size, unit = next(
        (size, unit) for size, unit, _ in _UNITS if ahead % size == 0 and (ahead >= 2 * size or seconds % size == 0)
    )
    if ahead // size < 1000 or unit == "d":
        return f"{ahead // size} {unit}"
    larger, name = next((larger, name) for larger, name, _ in reversed(_UNITS) if larger > size)
    return f"{ahead // larger} {name} {ahead % larger // size} {unit}"


def in_words(seconds: int) -> str:
    """Return a length of time in words: "30 seconds", "15 minutes", "1 hour", "7 days"."""
    size, word = next((size, word) for size, _, word in _UNITS if seconds % size == 0)
    return f"{seconds // size} {word}{'s' * (seconds != size)}"
