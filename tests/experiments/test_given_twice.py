"""Nothing that is given twice on a command line is dropped without a word."""

import argparse
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from experiments import run as run_command
from experiments import sweep as sweep_command
from stlora_ext.cli import Parser
from stlora_ext.errors import UserError
from stlora_ext.options import given_settings
from tests.support.commands import ROOT, refusal

FOLDERS = ("experiments", "datasets", "benchmarks", "tests/faults", "tests/fuzz")
COMMANDS = sorted(
    path.relative_to(ROOT)
    for folder in FOLDERS
    for path in (ROOT / folder).glob("*.py")
    if "Parser(prog=" in path.read_text("utf-8")
)
WORDS = ("1", "2", "0.5", "0.25", "2024-01-01", "nan", "a", "b", "a=1", "b=2")


def parser(command: Path) -> Parser:
    """The parser of a command."""
    sys.path.insert(0, str((ROOT / command).parent))
    try:
        return runpy.run_path(str(ROOT / command))["parser"]()
    finally:
        sys.path.pop(0)


def words(action: argparse.Action) -> list[str]:
    """Two words that an option takes as two different values."""
    found: dict[Any, str] = {}
    for word in map(str, action.choices or WORDS):
        try:
            found.setdefault(str(action.type(word) if action.type else word), word)
        except (argparse.ArgumentTypeError, ValueError):
            continue
    return list(found.values())[:2]


def given(action: argparse.Action, word: str) -> list[str]:
    """The words that give an argument this value."""
    count = action.nargs if isinstance(action.nargs, int) else 1
    return [*action.option_strings[-1:], *[word] * count]


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_every_option_of_every_command_adds_up_or_is_refused(command, capsys):
    p = parser(command)
    options = [action for action in p._actions if action.option_strings and action.nargs != 0]
    assert options or command.name == "models.py"  # which has none
    for action in options:
        others = [
            word for each in p._actions if each.required and each is not action for word in given(each, words(each)[0])
        ]
        once, other = ([*others, *given(action, word)] for word in words(action))
        value = getattr(p.parse_args(once), action.dest)
        again = getattr(p.parse_args([*once, *given(action, words(action)[0])]), action.dest)
        if action.nargs == "+":
            assert again == value * 2
            both = getattr(p.parse_args([*once, *given(action, words(action)[1])]), action.dest)
            assert both == [*value, *getattr(p.parse_args(other), action.dest)], action
            continue
        assert again == value
        with pytest.raises(SystemExit) as stop:
            p.parse_args([*once, *given(action, words(action)[1])])
        line = capsys.readouterr().err
        assert stop.value.code == 2 and line.count("\n") == 1 and action.option_strings[-1] in line
        assert "it is given twice, as" in line and "leave one of them out" in line


def test_the_commands_are_found():
    assert len(COMMANDS) > 15 and Path("experiments/run.py") in COMMANDS


def settings(command: Any, *arguments: str) -> dict[str, Any]:
    """The settings that a command line gives."""
    needed = ["-c", "x.py"] if command is run_command else ["--datasets", "TINY", "--models", "LSTM"]
    return given_settings(command.parser().parse_args([*needed, *arguments]))


@pytest.mark.parametrize("command", [run_command, sweep_command], ids=["run", "sweep"])
def test_settings_of_all_their_options_add_up(command):
    assert settings(
        command,
        "--set",
        "lr=0.1",
        "--seeds",
        "0",
        "--set",
        "model.a=1",
        "--epochs",
        "3",
        "--seeds",
        "2-3",
        "0",
        "--set",
        "num_epochs=3",
    ) == {"lr": 0.1, "model.a": 1, "num_epochs": 3, "seeds": [0, 2, 3]}


@pytest.mark.parametrize("command", [run_command, sweep_command], ids=["run", "sweep"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["--set", "lr=1", "lr=2"],
        ["--set", "lr=1", "--set", "lr=2"],
        ["--set", "lr=1", "lr =2"],
        ["--set", "num_epochs=3", "--epochs", "5"],
        ["--set", "batch_size=3", "--batch-size", "5"],
        ["--set", "bf16=False", "--bf16"],
        ["--set", "seeds=[1]", "--seeds", "2"],
    ],
    ids=" ".join,
)
def test_settings_that_contradict_one_another_are_refused(command, arguments):
    with pytest.raises(UserError, match="leave one of them out"):
        settings(command, *arguments)


def test_a_second_set_takes_part_in_the_run(tiny_data, tmp_path, capsys):
    run_command.main(
        [
            "-c",
            "experiments/TINY/LSTM.py",
            "--set",
            "lr=0.5",
            "--set",
            "batch_size=7",
            "--dry-run",
            "--data",
            str(tiny_data),
            "--results",
            str(tmp_path),
        ]
    )
    printed = capsys.readouterr().out
    assert '"lr": 0.5' in printed and '"batch_size": 7' in printed


def test_two_configs_are_refused(capsys):
    line = refusal(run_command.main, ["-c", "experiments/TINY/LSTM.py", "--config", "experiments/TINY/HA.py"], capsys)
    assert "experiments/TINY/LSTM.py" in line and "experiments/TINY/HA.py" in line
