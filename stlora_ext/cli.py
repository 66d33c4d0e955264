"""What every command shares: one-line errors, exit codes, integer ranges."""

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from stlora_ext.errors import UserError

MOST_NUMBERS = 1000  # in one range
_OUT_OF_MEMORY = ("out of memory", "ALLOC_FAILED", "can't allocate memory")  # torch's, of a GPU and of a CPU
LARGEST = 10**6  # of what is counted: epochs, threads, processes, nodes


class _Store(argparse.Action):
    """argparse's "store" that never drops what was given before: lists grow, another single value is refused."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        given = parser.given  # type: ignore[attr-defined]
        if self.dest in given:
            if self.nargs in ("+", "*"):
                values = [*given[self.dest], *values]
            elif values != given[self.dest]:
                raise argparse.ArgumentError(
                    self,
                    f"it is given twice, as {_shown(given[self.dest])} and {_shown(values)}: leave one of them out",
                )
        given[self.dest] = values
        setattr(namespace, self.dest, values)


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else f"'{value}'"


class Parser(argparse.ArgumentParser):
    """ArgumentParser that takes no abbreviations, answers mistakes in one line and drops nothing that is given twice.

    An option that takes several values adds up over the command line; one that takes a single value is refused with
    two different ones.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **kwargs)
        self.given: dict[str, Any] = {}
        for name in (None, "store"):
            self.register("action", name, _Store)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, remembering what this command line gives."""
        self.given = {}
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        print(f"error: {message} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(2)


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a process like Ctrl-C."""


def command(main: Callable[[Sequence[str] | None], None]) -> NoReturn:
    """Run ``main`` as a process, whose errors are one line.

    It ends with 0: done, 1: the disk or the system, 2: the user's mistake, 130: Ctrl-C, 143: SIGTERM.
    """
    signal.signal(signal.SIGTERM, _terminate)
    threading.excepthook = _thread_failed
    try:
        main(None)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as stop:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what asks twice still gets the line
        told, code = ("terminated", 143) if isinstance(stop, _Terminated) else ("interrupted", 130)
        print(
            f"{told}: what is finished is kept; the same command goes on from the last finished epoch", file=sys.stderr
        )
        sys.exit(code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except MemoryError as error:
        print(
            f"error: not enough memory ({error or 'of this process'}): ask for less, or use a machine that has more",
            file=sys.stderr,
        )
        sys.exit(1)
    except UnicodeError as error:
        print(
            f"error: {error}: name files in UTF-8, and run where the terminal takes it (PYTHONIOENCODING=utf-8)",
            file=sys.stderr,
        )
        sys.exit(2)
    except RuntimeError as error:
        if any(sign in str(error) for sign in _OUT_OF_MEMORY):
            reason = str(error).splitlines()[0].split(". GPU")[0]
            print(
                f"error: not enough memory ({reason}): ask for less (run.py: --parts 2; run.py and sweep.py: a lower "
                "--batch-size, --set eval_batch_size=...; sweep.py: fewer --jobs); what is finished is kept",
                file=sys.stderr,
            )
            sys.exit(1)
        if "Symlink loop" not in str(error):  # Python 3.12 and older: no OSError
            raise
        print(f"error: {error}: name the file itself", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        what = error.strerror or str(error) or type(error).__name__
        where = f": {error.filename}" if error.filename else ""
        print(
            f"error: {what}{where}: mend that and give the same command again; what is finished is kept",
            file=sys.stderr,
        )
        sys.exit(1)
    sys.exit(0)


def _terminate(signum: int, frame: object) -> NoReturn:
    raise _Terminated


def _thread_failed(args: threading.ExceptHookArgs) -> None:
    if not issubclass(args.exc_type, OSError):  # TensorBoard's thread hands a failed write to the main thread too
        threading.__excepthook__(args)


def is_number(text: str) -> bool:
    """Return whether ``text`` is a whole number in the digits 0 to 9."""
    return text.isascii() and text.isdigit()


def gpus(text: str) -> str:
    """Return the numbers of GPUs as they are written; "none" is none, the CPU."""
    return "" if text == "none" else text


def positive(text: str) -> int:
    """Parse a whole number from 1 to ``LARGEST``.

    Raises:
        argparse.ArgumentTypeError: On anything else.
    """
    if is_number(text) and 0 < int(text) <= LARGEST:
        return int(text)
    raise argparse.ArgumentTypeError(
        f"'{text}' is not a whole number of at least 1"
        if not is_number(text) or int(text) < 1
        else f"'{text}' is more than {LARGEST:,}"
    )


def int_range(text: str) -> list[int]:
    """Parse ``"3"`` or ``"0-4"`` into a list of integers.

    Raises:
        argparse.ArgumentTypeError: On anything else.
    """
    first, dash, last = text.partition("-")
    if is_number(first) and (not dash or is_number(last)):
        numbers = range(int(first), int(last if dash else first) + 1)
        if numbers.stop - numbers.start > MOST_NUMBERS:
            raise argparse.ArgumentTypeError(
                f"'{text}' names more than {MOST_NUMBERS} numbers: expected a shorter range such as 0-4"
            )
        if numbers:
            return list(numbers)
    raise argparse.ArgumentTypeError(f"'{text}' is not a number or a range such as 0-4")
