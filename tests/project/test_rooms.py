"""Imports go down only: a room of stlora_ext imports what stands below it, and the adapter knows nothing of BasicTS."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import ROOT

GROUND = ""  # the small modules at the root of the package
ROOMS = (
    GROUND,
    "lora",
    "data",
    "preparation",
    "simulation",
    "config",
    "host",
    "runs",
    "sweep",
    "tables",
    "plots",
    "report",
)


def room(module: str) -> str:
    """The room of a module of ``stlora_ext``."""
    _, *inner = module.split(".")
    return inner[0] if inner and inner[0] in ROOMS else GROUND


def imports(path: Path) -> Iterator[str]:
    """Yield the modules that a source imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def sources(name: str) -> list[Path]:
    """The files of a room; the package's own __init__ names the public face, imported when asked for."""
    folder = ROOT / "stlora_ext" / name
    return [
        path
        for path in (folder.glob("*.py") if name == GROUND else folder.rglob("*.py"))
        if path != ROOT / "stlora_ext" / "__init__.py"
    ]


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_imports_nothing_from_above_it(name):
    assert sources(name)
    upwards = [
        f"{path.relative_to(ROOT)}: {module}"
        for path in sources(name)
        for module in imports(path)
        if module.startswith(("experiments.", "datasets.", "entry"))
        or module.startswith("stlora_ext.")
        and ROOMS.index(room(module)) > ROOMS.index(name)
    ]
    assert not upwards


def test_every_room_is_listed():
    folders = {path.parent.name for path in (ROOT / "stlora_ext").glob("*/__init__.py")}
    assert folders == set(ROOMS) - {GROUND}


@pytest.mark.parametrize("name", [GROUND, "lora"])
def test_the_adapter_and_the_ground_know_nothing_of_basicts(name):
    hosts = ("basicts", "easytorch", "baselines")
    assert not [
        f"{path.relative_to(ROOT)}: {module}"
        for path in sources(name)
        for module in imports(path)
        if module.split(".")[0] in hosts
    ]


def test_backbones_know_nothing_of_the_extension():
    assert not [
        f"{path}: {module}"
        for path in (ROOT / "baselines").rglob("*.py")
        for module in imports(path)
        if module.split(".")[0] == "stlora_ext"
    ]
