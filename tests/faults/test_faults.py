"""Runs that are killed, stopped, out of disk or damaged end like the uninterrupted run, bit for bit, or say what to do.

The short form of ``tests/faults/faults.py``: the same faults, fewer tries.
"""

import os
import signal
import subprocess
import time

import pytest

from experiments import run as run_command
from tests.faults import faults as command
from tests.faults import kinds
from tests.faults.cell import Broken, Cell, cells, ended, outcome, until
from tests.faults.faults import attempt
from tests.support.commands import ROOT, refused, run, succeeded

pytestmark = pytest.mark.slow
LSTM, JOINT, ADAPT = range(3)


@pytest.fixture(scope="module")
def whole(tiny_data, tmp_path_factory):
    """The cells, each with the outcome of its uninterrupted run and its seconds."""
    return cells(tiny_data, tmp_path_factory.mktemp("whole"), epochs=3)


@pytest.fixture
def here(monkeypatch):
    """The same command again runs in this process, which starts in no time; it was another one that broke."""

    def finish(cell, results):
        run_command.main([*cell.arguments, "--results", str(results)])
        return outcome(results)

    monkeypatch.setattr(Cell, "finish", finish)


@pytest.fixture(scope="module")
def files(whole, tmp_path_factory):
    """How many files the joint run opens for writing."""
    return kinds.files_written(whole[JOINT][0], tmp_path_factory.mktemp("watched"))


@pytest.mark.parametrize("cell", [LSTM, JOINT, ADAPT])
def test_a_run_killed_at_a_random_moment_ends_like_an_uninterrupted_one(cell, whole, tmp_path):
    broken, expected, seconds = whole[cell]
    (share,) = kinds.random_moments(1, 1.0, seed=int(time.time()))
    assert attempt(kinds.killed(share * seconds), broken, tmp_path / "run", expected) == "", f"killed at {share}"


def test_a_run_killed_after_each_of_its_epochs_ends_like_an_uninterrupted_one(whole, tmp_path):
    broken, expected, _ = whole[JOINT]
    for _ in range(2):
        process = broken.start(tmp_path)
        epochs = 0
        while epochs < 1 and (line := process.stderr.readline()):
            epochs += " epoch " in line
        process.kill()
        ended(process)
    assert broken.finish(tmp_path) == expected


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_ctrl_c_and_sigterm_stop_in_one_line_and_can_be_resumed(number, code, word, whole, tmp_path):
    broken, expected, _ = whole[ADAPT]
    assert attempt(kinds.stopped(number, code, word), broken, tmp_path / "run", expected) == ""


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_full_disk_is_one_line_and_loses_nothing(place, whole, files, tmp_path):
    broken, expected, _ = whole[JOINT]
    fault = kinds.without_space_from({"first": 1, "middle": files // 2, "last": files}[place])
    assert attempt(fault, broken, tmp_path / "run", expected) == ""


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("best.pt cut in half", kinds.damaged("best.pt", 0.5)),
        ("last.pt empty", kinds.damaged("last.pt", 0.0)),
        ("last.pt deleted", kinds.deleted("last.pt")),
        ("record cut in half", kinds.record_cut(0.5)),
        ("two processes", kinds.twice_at_once),
        ("read only", kinds.read_only),
    ],
)
def test_other_faults_are_told_in_one_line_and_can_be_mended(name, fault, whole, tmp_path):
    if name == "read only" and os.geteuid() == 0 and not kinds.may_mount():
        pytest.skip("root may write to any folder, and this root may not mount one that is read-only")
    broken, expected, _ = whole[LSTM]
    assert attempt(fault, broken, tmp_path / "run", expected) == ""


@pytest.mark.usefixtures("here")
def test_a_try_that_ends_otherwise_fails(whole, tmp_path):
    broken, expected, _ = whole[LSTM]
    other = Cell("other", (*broken.arguments[:3], "1", *broken.arguments[4:]))
    assert attempt(lambda cell, results: other.finish(results), broken, tmp_path / "seed", expected).startswith("other")

    def broke(cell, results):
        raise Broken("said nothing")

    assert attempt(broke, broken, tmp_path / "none", expected).startswith("said nothing")


@pytest.mark.usefixtures("here")
def test_a_forced_run_that_is_killed_leaves_the_earlier_record(whole, tmp_path):
    broken, expected, _ = whole[LSTM]
    assert broken.finish(tmp_path) == expected
    process = subprocess.Popen(
        [*broken.command(tmp_path), "--force"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    assert until(process, tmp_path, "repeat/last.pt")
    process.kill()
    process.wait()
    assert outcome(tmp_path) == expected
    assert "already finished" in succeeded(run("experiments/run.py", *broken.arguments, "--results", tmp_path))


def test_the_command_counts_what_it_tried(whole, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "cells", lambda *folders: whole)
    command.main(["--only", "kill", "--kills", "1", "--out", str(tmp_path / "f.json")])
    assert "| SIGKILL at a random moment | base | 1 | 1 |" in capsys.readouterr().out
    assert (tmp_path / "f.json").exists()
    assert "invalid choice: 'kil'" in refused(run("tests/faults/faults.py", "--only", "kil"))
