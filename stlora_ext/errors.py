"""Errors that are the user's to mend: one line, the value, what was expected, the remedy."""

from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST = 300  # characters of one word


class UserError(ValueError):
    """A mistake the user can correct. Commands print it as one line and exit with 2.

    A handler of ``ValueError`` catches it too: let it pass first where anything in the ``try`` raises one.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(_shown(word) for word in message.split()))


def _shown(word: str) -> str:
    """Return a word of a message as a terminal can show it: what a file holds may be endless, or steer the terminal."""
    word = word if len(word) <= _LONGEST else f"{word[: _LONGEST // 2]}..."
    return word if word.isprintable() else word.encode("unicode_escape").decode()


def in_a_line(error: BaseException) -> str:
    """Return what somebody else's error says, in a line: its type, and the first line of its text if it has one."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


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
