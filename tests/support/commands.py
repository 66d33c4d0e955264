"""Running the project's commands as a user does."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from stlora_ext.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"


def run(script: str, *arguments: object, timeout: float = 120, **kwargs) -> subprocess.CompletedProcess:
    """Run ``python script arguments`` in the repository's root and return what it printed."""
    return subprocess.run(
        [sys.executable, script, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        **kwargs,
    )


def succeeded(result: subprocess.CompletedProcess) -> str:
    """Return the standard output of a command that must have ended well."""
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def refused(result: subprocess.CompletedProcess) -> str:
    """Return the one line by which a command must have refused: exit code 2, no traceback."""
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stderr, result.stderr
    assert len(lines) == 1 and result.stderr.splitlines()[-1] == lines[0], result.stderr
    return lines[0]


def refusal(
    main: Callable[[Sequence[str]], None], arguments: Sequence[object], capsys: pytest.CaptureFixture[str]
) -> str:
    """Return the one line by which ``main(arguments)`` refuses, called in this process."""
    try:
        main([str(argument) for argument in arguments])
    except UserError as error:
        message = str(error)
    except SystemExit as stop:
        assert stop.code == 2
        message = capsys.readouterr().err.removesuffix("\n")
    else:
        pytest.fail(f"{arguments} was not refused")
    assert "\n" not in message
    return message
