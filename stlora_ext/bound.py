"""Child processes that never outlive their parent."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


def bound_to(parent: int) -> Callable[[], None]:
    """Return what a child does before it becomes the command: die when ``parent`` dies, and mind Ctrl-C."""

    def bind() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a background shell ignores it, and children inherit that
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

    return bind


def end_of(code: int) -> str:
    """Say how a process ended, by its exit code, negative for a signal."""
    if code >= 0:
        return f"ended with exit code {code}"
    hint = " (the system does so when memory runs out)" if -code == signal.SIGKILL else ""
    return f"killed by {signal.Signals(-code).name}{hint}"
