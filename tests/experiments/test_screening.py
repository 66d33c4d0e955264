"""The screening of adapter settings: its command, its table, its picture."""

import shutil

import pytest

from experiments import plot as plot_command
from experiments import screen as screen_command
from experiments import table as table_command
from experiments.screening import SETTINGS
from stlora_ext.fields import checked
from stlora_ext.lora.settings import STLoRAConfig
from stlora_ext.runs.store import read_records
from stlora_ext.tables.settings import best_validation, by_setting
from tests.support.commands import refusal


@pytest.fixture(scope="module")
def screened(tiny_data, tmp_path_factory):
    """A results folder with four settings on TINY, adapted from a backbone trained there."""
    results = tmp_path_factory.mktemp("screening")
    screen_command.main(
        [
            "-c",
            "experiments/TINY/LSTM_LoRA.py",
            "--protocol",
            "adapt",
            "--train-backbone",
            "--epochs",
            "1",
            "--data",
            str(tiny_data),
            "--results",
            str(results),
            "--only",
            "embedding",
            "vector, rank 2",
            "control",
            "wide",
        ]
    )
    return results


def test_there_are_24_settings_that_differ_and_are_valid():
    built = {(arm, STLoRAConfig(**checked(STLoRAConfig, settings))) for arm, settings in SETTINGS.values()}
    assert len(built) == len(SETTINGS) == 24


def test_the_settings_come_in_the_order_of_their_validation_errors(screened, capsys):
    (group,) = by_setting(read_records(screened, "TINY"))
    settings = group.settings
    assert group.protocol == "adapt" and group.base.records[0].key.arm == "base"
    assert [setting.row.arm for setting in settings].count("plus") == 2 and len(settings) == 4
    errors = [setting.val.mean for setting in settings]
    assert (
        errors
        == sorted(errors)
        == sorted(best_validation(record) for record in read_records(screened, "TINY") if record.key.arm != "base")
    )
    table_command.main(["--dataset", "TINY", "--settings", "LSTM+", "--results", str(screened)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "**LSTM+, adapt**" and lines[4].startswith("| none: the backbone alone | 0 | 1 | ")
    assert len(lines) == 9 and "control" in "".join(lines) and "| vector | " in "".join(lines)


def test_protocols_and_backbones_trained_otherwise_are_groups_of_their_own(screened, tiny_data, tmp_path):
    shutil.copytree(screened, tmp_path / "results")
    for epochs in ("1", "2"):
        screen_command.main(
            [
                "-c",
                "experiments/TINY/LSTM_LoRA.py",
                "--protocol",
                "joint",
                "--epochs",
                epochs,
                "--data",
                str(tiny_data),
                "--results",
                str(tmp_path / "results"),
                "--only",
                "embedding",
            ]
        )
    groups = by_setting(read_records(tmp_path / "results", "TINY"), "LSTM+")
    assert [(group.protocol, group.base is None, len(group.settings)) for group in groups] == [
        ("adapt", False, 4),
        ("joint", True, 1),
        ("joint", False, 1),
    ]
    assert by_setting(read_records(screened, "TINY"), "LSTM") == []


def test_a_finished_setting_is_not_repeated(screened, tiny_data):
    before = {path: path.stat().st_mtime_ns for path in screened.rglob("*.json")}
    screen_command.main(
        [
            "-c",
            "experiments/TINY/LSTM_LoRA.py",
            "--protocol",
            "adapt",
            "--epochs",
            "1",
            "--data",
            str(tiny_data),
            "--results",
            str(screened),
            "--only",
            "embedding",
        ]
    )
    assert {path: path.stat().st_mtime_ns for path in screened.rglob("*.json")} == before


def test_the_picture_of_the_settings_is_a_picture(screened, tmp_path):
    plot_command.main(
        ["--dataset", "TINY", "--settings", "LSTM+", "--results", str(screened), "--out", str(tmp_path / "s.png")]
    )
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_mistakes_are_refused(screened, tiny_data, tmp_path, capsys):
    common = ["-c", "experiments/TINY/LSTM_LoRA.py", "--protocol", "adapt", "--data", tiny_data, "--results", tmp_path]
    assert "--only 'embeding': did you mean 'embedding'" in refusal(
        screen_command.main, [*common, "--only", "embeding"], capsys
    )
    assert "no trained LSTM" in refusal(screen_command.main, [*common, "--only", "embedding"], capsys)
    shutil.copytree(screened, tmp_path / "copy")
    assert "--settings STGCN+: no records of it on TINY" in refusal(
        plot_command.main,
        ["--dataset", "TINY", "--settings", "STGCN+", "--results", tmp_path / "copy", "--out", tmp_path / "s.png"],
        capsys,
    )
