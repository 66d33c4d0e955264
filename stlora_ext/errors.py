"""Errors that are the user's to mend: one line, the value, what was expected, the remedy."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """A mistake the user can correct. Commands print it as one line and exit with 2."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


def nearest(name: str, options: Iterable[str]) -> str:
    """Return "did you mean 'x'?" for the closest option, or the list of options.

    Args:
        name: What the user wrote.
        options: What would have been understood.
    """
    options = list(options)
    lowered = {option.lower(): option for option in options}
    close = get_close_matches(name.lower(), lowered, n=1)
    if close:
        return f"did you mean '{lowered[close[0]]}'?"
    return f"expected one of: {', '.join(options)}"
