"""Running a user's Python file, whose mistakes are one line."""

import runpy
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stlora_ext.errors import UserError


def run_file(path: Path, called: str, expected: str) -> dict[str, Any]:
    """Run a user's Python file and return its globals; messages say what it is ``called`` and is ``expected`` to hold.

    Raises:
        UserError: If it fails or ends the process.
    """
    with running(path, called, expected):
        return runpy.run_path(str(path))


@contextmanager
def running(path: Path, called: str, expected: str) -> Iterator[None]:
    """Run ``path`` in the ``with`` block; arguments and errors are those of ``run_file``."""
    try:
        if b"\0" in path.read_bytes():  # a ValueError or a SyntaxError, by the version of Python
            raise SyntaxError("source code cannot contain null bytes")
        yield
    except UserError as error:
        raise UserError(f"{called}: {error}") from None
    except SystemExit as error:
        raise UserError(f"{called} ended by itself (exit code {error.code}): expected {expected}") from None
    except Exception as error:  # whatever the file raises is the user's to mend
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = getattr(error, "lineno", None) or (lines[-1] if lines else "?")
        raise UserError(f"{called}, line {line}: {type(error).__name__}: {error}") from None
