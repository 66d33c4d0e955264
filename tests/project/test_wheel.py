"""The project as a package: what the wheel holds and needs, and README's snippet on that alone, without BasicTS."""

import re
import subprocess
import sys
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.support.commands import ROOT

PACKAGES = ("stlora_ext", "baselines")
NEEDED = {"torch", "numpy", "safetensors", "tqdm"}
PLUG_IN = ("STLoRAConfig", "attach", "save_adapter", "load_adapter", "expand_adapter", "merge")
# Run by an interpreter that sees its standard library and the two folders alone.
ALONE = f"""
import importlib.util, runpy, sys
sys.path += sys.argv[1:3]
for absent in ("basicts", "easytorch", "pandas", "scipy", "experiments", "tests"):
    assert importlib.util.find_spec(absent) is None, absent
runpy.run_path(sys.argv[3], run_name="__main__")
import stlora_ext
for name in {PLUG_IN}:
    getattr(stlora_ext, name)
print(stlora_ext.__file__)
"""


def snippet() -> str:
    """Return README's plug-in snippet."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return next(code for code in blocks if "from stlora_ext import" in code)


def requirements(of: Distribution, extra: str = "") -> list[Requirement]:
    """Return what a distribution needs on this machine."""
    needs = [Requirement(line) for line in of.requires or []]
    return [need for need in needs if need.marker is None or need.marker.evaluate({"extra": extra})]


def with_dependencies(names: set[str]) -> list[Distribution]:
    """Return the installed distributions ``names`` and what they need."""
    found, ahead = {}, {(name, "") for name in names}
    while ahead:
        name, extra = ahead.pop()
        found[name, extra] = distribution(name)
        ahead |= {
            (need.name, wanted) for need in requirements(found[name, extra], extra) for wanted in ("", *need.extras)
        } - found.keys()
    return [dist for (_, extra), dist in found.items() if not extra]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the project's wheel, installed, and nothing else."""
    clone, wheels, target = (tmp_path_factory.mktemp(name) for name in ("clone", "wheels", "target"))
    for path in ROOT.iterdir():  # linked, so that setuptools builds there and leaves nothing here
        if not path.name.startswith(".") and path.name != "build" and not path.name.endswith(".egg-info"):
            (clone / path.name).symlink_to(path)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(wheels), str(clone)], check=True)
    subprocess.run(
        [
            *pip,
            "install",
            "--no-deps",
            "--no-index",
            "--no-compile",
            "--target",
            str(target),
            *map(str, wheels.glob("*.whl")),
        ],
        check=True,
    )
    return target


@pytest.mark.slow
def test_the_wheel_holds_the_packages_with_their_files_and_nothing_else(installed):
    top = {path.name for path in installed.iterdir() if path.suffix != ".dist-info"}
    assert top == set(PACKAGES)
    for package in PACKAGES:
        here, there = (
            {
                path.relative_to(root)
                for path in (root / package).rglob("*")
                if path.is_file() and "__pycache__" not in path.parts
            }
            for root in (ROOT, installed)
        )
        assert there == here


@pytest.mark.slow
def test_the_snippet_runs_with_what_the_wheel_needs_and_without_basicts(installed, tmp_path):
    (project,) = distributions(path=[str(installed)])
    assert {need.name for need in requirements(project)} == NEEDED
    beside = tmp_path / "beside"
    beside.mkdir()
    for dist in with_dependencies(NEEDED):
        for top in {file.parts[0] for file in dist.files or []} - {"..", "__pycache__"}:
            if not (beside / top).exists():
                (beside / top).symlink_to(dist.locate_file(top))
    (tmp_path / "snippet.py").write_text(snippet(), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ALONE, str(installed), str(beside), "snippet.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert Path(result.stdout.splitlines()[-1]).is_relative_to(installed)
