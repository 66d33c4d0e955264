"""The commands from a clone whose requirements were installed by hand: the project itself is not installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import ROOT, succeeded

pytestmark = pytest.mark.slow
COMMANDS = [
    path.relative_to(ROOT)
    for folder in ("experiments", "datasets")
    for path in (ROOT / folder).glob("*.py")
    if "__main__" in path.read_text(encoding="utf-8")
]


def bare(*arguments: object, cwd: Path) -> subprocess.CompletedProcess:
    """Run Python with the installed packages on its path, but without the ``.pth`` files that make the project one."""
    packages = os.pathsep.join(path for path in sys.path if Path(path).name in ("site-packages", "dist-packages"))
    return subprocess.run(
        [sys.executable, "-S", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": packages},
    )


def test_the_project_is_not_installed_there(tmp_path):
    assert "No module named 'stlora_ext'" in bare("-c", "import stlora_ext", cwd=tmp_path).stderr


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_every_command_starts(command, tmp_path):
    assert "usage: " in succeeded(bare(ROOT / command, "--help", cwd=tmp_path))


def test_a_run_leaves_its_record(tmp_path):
    succeeded(
        bare(
            ROOT / "experiments/run.py",
            "-c",
            ROOT / "experiments/TINY/HA.py",
            "--data",
            tmp_path / "data",
            "--results",
            tmp_path / "results",
            cwd=tmp_path,
        )
    )
    assert len(list((tmp_path / "results/TINY/HA").glob("*.json"))) == 1
