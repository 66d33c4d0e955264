"""A row of the table of bad input."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One bad input.

    Attributes:
        name: What is wrong, for the name of the test.
        make: Makes the input in a folder of its own; returns the arguments of the command.
        said: Parts of the one line that answers it: the value, what was expected, the remedy.
        command: The command.
        process: Run it as a process, not as a call of its ``main``.
        accepted: It is taken, and the report says what is odd about it.
    """

    name: str
    make: Callable[[Path], Sequence[object]]
    said: tuple[str, ...]
    command: str = "datasets/prepare.py"
    process: bool = False
    accepted: bool = False


class Payload:
    """Leaves a file behind where a reader unpickles it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "PAYLOAD-RAN"

    def __reduce__(self):
        return open, (str(self.path), "w")
