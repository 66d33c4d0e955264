"""A config that isn't there: what is suggested exists, and what is to be given in its place works."""

import re
import shlex
import shutil

import pytest

from experiments import run as run_command
from stlora_ext.config import nearest_config
from tests.support.commands import ROOT, refusal


def said(config, capsys, *more):
    return refusal(run_command.main, ["-c", config, *more], capsys)


@pytest.mark.parametrize(
    ("config", "meant"),
    [
        ("experiments/PEMS08/AGRCN.py", "experiments/PEMS08/AGCRN.py"),
        ("experiments/PEMS08/AGRCN_LoRA.py", "experiments/PEMS08/AGCRN_LoRA.py"),
        ("experiments/METR-LA/lstm.py", "experiments/METR-LA/LSTM.py"),
        ("experiments/METR-LA/LSTM", "experiments/METR-LA/LSTM.py"),
        ("experiments/PEM08/AGCRN.py", "experiments/PEMS08/AGCRN.py"),
        ("experiments/pems04/AGRCN.py", "experiments/PEMS04/AGCRN.py"),
        ("PEMS07/AGCRN.py", "experiments/PEMS07/AGCRN.py"),
    ],
)
def test_the_model_is_looked_for_on_the_data_set_that_was_named(config, meant, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert f"config {config} does not exist; did you mean '{meant}'?" in said(config, capsys)


@pytest.mark.parametrize(
    "config",
    [
        "AGCRN.py",
        "experiments/AGCRN.py",
        "experiments/TINY/zzz.py",
        "a/b/c.py",
        "experiments/WXYZ/AGCRN.py",
        "experiments/PEM08/zzz.py",
        "experiments/TINY",
    ],
)
def test_only_files_that_exist_are_suggested(config, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    line = said(config, capsys).partition("for data of your own")[0].partition(config)[2]
    named = re.findall(r"experiments/[\w/-]+\.py", line)
    assert all((ROOT / each).is_file() for each in named) and (named or "expected one of: AGCRN.py" in line)


def in_its_place(line: str) -> list[str]:
    """The options that a refusal says to give."""
    return shlex.split(re.search(r"give (--dataset .+) instead of -c$", line)[1])


@pytest.mark.parametrize(
    ("file", "model", "prepared"),
    [
        ("LSTM.py", "LSTM", True),
        ("LSTM_LoRA.py", "LSTM+", True),
        ("LSMT.py", "LSTM", True),
        ("LSTM.py", "LSTM", False),
        ("LSTM_LoRA.py", "LSTM+", False),
    ],
)
def test_a_data_set_of_ones_own_needs_no_config(file, model, prepared, tiny_data, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    if prepared:
        own(tiny_data, data)
    options = in_its_place(said(f"configs/OWN/{file}", capsys, "--data", data))
    assert options == ["--dataset", "OWN", "--model", model]
    if not prepared:
        own(tiny_data, data)
    run_command.main([*options, "--data", str(data), "--dry-run"])
    assert f"OWN / {model}" in capsys.readouterr().out


def test_a_model_without_a_config_on_ones_own_data_is_not_taken_for_another_model(tmp_path, monkeypatch):
    folder = tmp_path / "OWN"
    folder.mkdir()
    (folder / "LSTM.py").write_text("")
    monkeypatch.setattr(nearest_config, "_CONFIGS", tmp_path)
    options = in_its_place(nearest_config.instead_of(folder / "LSTM_LoRA.py", tmp_path))
    assert options == ["--dataset", "OWN", "--model", "LSTM+"]
    assert nearest_config.instead_of(folder / "LTSM.py", tmp_path) == f"did you mean '{folder}/LSTM.py'?"


def own(tiny_data, data):
    """A data set of the user's own, OWN, in ``data``."""
    shutil.copytree(tiny_data / "TINY", data / "OWN")
    meta = data / "OWN" / "meta.json"
    meta.write_text(meta.read_text().replace('"TINY"', '"OWN"'))
