"""Every bad input is answered by one line that names the value, what was expected and the remedy, and harms nothing."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import prepare
from experiments import evaluate, parameters, predict, run, table, verify
from tests.bad_input import arrays, command_lines, configs, graphs, saved_files, tables
from tests.support import commands

MAINS = {
    "datasets/prepare.py": prepare.main,
    **{
        f"experiments/{module.__name__.rpartition('.')[2]}.py": module.main
        for module in (evaluate, parameters, predict, run, table, verify)
    },
}
GROUPS = {
    "data": (*tables.ROWS, *arrays.ROWS, *graphs.ROWS),
    "command line": command_lines.ROWS,
    "config": configs.ROWS,
    "saved": saved_files.ROWS,
}
ROWS = [pytest.param(row, id=f"{group}: {row.name}") for group, rows in GROUPS.items() for row in rows]
EARLIER = "EARLIER"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A prepared data set that was there before."""
    folder = tmp_path_factory.mktemp("before")
    np.save(folder / "raw.npy", arrays.GRID)
    prepare.main([EARLIER, "--raw", str(folder / "raw.npy"), *arrays.WHEN, "--data", str(folder)])
    return folder / EARLIER


def files(folder: Path) -> dict[Path, bytes]:
    """Everything in a folder but for locks, which are there for good."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def complete(row, arguments, tmp_path, tiny_data):
    """Add where the command reads and writes: over what was there before, where it might."""
    if row.command == "datasets/prepare.py":
        name = "NEW" if row.accepted else EARLIER
        return [name, *arguments, "--data", tmp_path / "out", "--force"]
    if row.command == "experiments/run.py":
        return [*arguments, "--data", tiny_data, "--results", tmp_path / "results"]
    return arguments


@pytest.mark.parametrize("row", ROWS)
def test_bad_input(row, prepared, tiny_data, tmp_path, capsys):
    shutil.copytree(prepared, tmp_path / "out" / EARLIER)
    (tmp_path / "results" / "TINY").mkdir(parents=True)
    (tmp_path / "results" / "TINY" / "earlier.json").write_text("{}")
    arguments = complete(row, row.make(tmp_path), tmp_path, tiny_data)
    before = files(tmp_path)
    if row.accepted:
        answer = accepted(row, arguments, capsys)
    elif row.process:
        answer = commands.refused(commands.run(row.command, *arguments))
    else:
        answer = commands.refusal(MAINS[row.command], arguments, capsys)
    assert all(part in answer for part in row.said), answer
    assert len(answer) < 1500 or not row.process
    after = files(tmp_path)
    new = tmp_path / "out" / "NEW"
    assert {path: content for path, content in after.items() if new not in path.parents} == before
    assert row.accepted == new.is_dir()


def accepted(row, arguments, capsys):
    if row.process:
        return commands.succeeded(commands.run(row.command, *arguments))
    MAINS[row.command]([str(argument) for argument in arguments])
    return capsys.readouterr().out


def test_the_table_covers_what_it_should():
    assert len(GROUPS["data"]) >= 30 and all(len(rows) >= 10 for rows in GROUPS.values())
    for group, rows in GROUPS.items():
        assert len({row.name for row in rows}) == len(rows), group
        assert sum(row.process for row in rows) >= 3, group
    for kind in ("checkpoint: ", "adapter: ", "record: "):
        assert sum(row.name.startswith(kind) for row in GROUPS["saved"]) >= 10
