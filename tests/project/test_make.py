"""`make env` with a stand-in for Python that writes down what pip is asked for."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import ROOT

STAND_IN = """#!/bin/sh
case "$1 $2" in
  "-m venv") mkdir -p "$3/bin" && touch "$3/bin/pip" && chmod +x "$3/bin/pip" && cp "$0" "$3/bin/python" ;;
  "-m pip") echo "$@" >> pip.log; test ! -e no_network ;;
  "-c "*) exec REAL -c 'import importlib.metadata, sys; PRELUDE; exec(sys.argv[1])' "$2" ;;
  *) exec REAL "$@" ;;
esac
"""
FILES = ("Makefile", "pyproject.toml", "constraints.txt", "requirements-host.txt")
PINS = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
PINNED_TORCH = next(line for line in PINS if line.startswith("torch==")).removeprefix("torch==")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with what `make env` reads."""
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(clone: Path, *arguments: str, prelude: str = "pass") -> subprocess.CompletedProcess:
    """Run `make env` there with the stand-in, in which ``prelude`` runs first."""
    python = clone / "python"
    python.write_text(STAND_IN.replace("REAL", sys.executable).replace("PRELUDE", prelude), encoding="utf-8")
    python.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "HERE")}
    return subprocess.run(
        ["make", "env", f"PYTHON={python}", *arguments],
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def asked(clone: Path) -> list[str]:
    """Return what pip was asked for, and forget it."""
    lines = (clone / "pip.log").read_text(encoding="utf-8").splitlines()
    (clone / "pip.log").unlink()
    return lines


def pins(clone: Path) -> list[str]:
    """Return the constraints that pip was given."""
    (path,) = clone.rglob(".stlora-*.constraints")
    return path.read_text(encoding="utf-8").splitlines()


def test_torch_comes_first_and_the_host_without_its_dependencies(clone):
    result = make(clone)
    assert result.returncode == 0, result.stderr
    assert [line.startswith("[env] ") for line in result.stdout.splitlines()] == [True] * 4
    torch, project, host = asked(clone)
    assert torch.endswith(".constraints torch") and project.endswith(".constraints -e .[benchmark,dev]")
    assert host.endswith("--no-deps -r requirements-host.txt")
    assert pins(clone) == PINS


def test_it_does_nothing_again_until_a_pin_changes(clone):
    make(clone)
    asked(clone)
    assert make(clone).returncode == 0
    assert not (clone / "pip.log").exists()
    later = (clone / "constraints.txt").stat().st_mtime + 10
    os.utime(clone / "constraints.txt", (later, later))
    assert make(clone).returncode == 0
    assert len(asked(clone)) == 3


def test_a_failed_step_is_repeated(clone):
    (clone / "no_network").touch()
    assert make(clone).returncode != 0
    assert len(asked(clone)) == 1
    (clone / "no_network").unlink()
    assert make(clone).returncode == 0
    assert len(asked(clone)) == 3


@pytest.mark.parametrize(
    ("version", "pin"),
    [("2.11.0+cu130", "2.11.0+cu130"), ("2.14.0.dev1", "2.14.0.dev1"), ("2.9.1", PINNED_TORCH), ("3.0", "3.0")],
)
def test_here_a_torch_that_will_do_stays(clone, version, pin):
    prelude = f'sys.prefix = "{clone}"; importlib.metadata.version = lambda name: "{version}"'
    result = make(clone, "HERE=1", prelude=prelude)
    assert result.returncode == 0, result.stderr
    assert ("keeping torch" in result.stdout) == (pin == version)
    assert len(asked(clone)) == 3
    assert pins(clone) == [f"torch=={pin}" if line.startswith("torch==") else line for line in PINS]
    assert not (clone / ".venv").exists()


def test_a_python_that_is_too_old_is_refused_with_the_remedy(clone):
    result = make(clone, prelude='sys.version_info, sys.version = (3, 10, 1), "3.10.1 (main)"')
    assert result.returncode != 0
    assert result.stderr.splitlines()[0] == "error: Python 3.10.1; expected 3.11 or newer: make env PYTHON=python3.11"
    assert not (clone / ".venv").exists()
