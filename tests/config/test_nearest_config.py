"""A config that isn't there: what is suggested exists, and what is to be written works."""

import re
import shlex
import shutil

import pytest

from experiments import run as run_command
from experiments import sweep as sweep_command
from stlora_ext.config import nearest_config
from stlora_ext.config.experiment import config_text
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


def written(line: str) -> tuple[str, str]:
    """The file that a refusal says to write, and what it is to hold."""
    path, content = re.search(r"write (\S+\.py), which holds: (.+)$", line).groups()
    return path, content


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
def test_for_a_data_set_of_ones_own_the_line_to_write_is_a_config(
    file, model, prepared, tiny_data, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    if prepared:
        own(tiny_data, data)
    path, content = written(said(f"configs/OWN/{file}", capsys, "--data", data))
    assert path == f"configs/OWN/{model.removesuffix('+')}{'_LoRA' * ('+' in model)}.py"
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(content)
    if not prepared:
        own(tiny_data, data)
    run_command.main(["-c", path, "--data", str(data), "--dry-run"])
    assert f"OWN / {model}" in capsys.readouterr().out


def test_a_model_without_a_config_on_ones_own_data_is_not_taken_for_another_model(tmp_path, monkeypatch):
    folder = tmp_path / "OWN"
    folder.mkdir()
    (folder / "LSTM.py").write_text("")
    monkeypatch.setattr(nearest_config, "_CONFIGS", tmp_path)
    assert written(nearest_config.instead_of(folder / "LSTM_LoRA.py", tmp_path)) == (
        f"{folder}/LSTM_LoRA.py",
        config_text("OWN", "LSTM+"),
    )
    assert nearest_config.instead_of(folder / "LTSM.py", tmp_path) == f"did you mean '{folder}/LSTM.py'?"


def own(tiny_data, data):
    """A data set of the user's own, OWN, in ``data``."""
    shutil.copytree(tiny_data / "TINY", data / "OWN")
    meta = data / "OWN" / "meta.json"
    meta.write_text(meta.read_text().replace('"TINY"', '"OWN"'))


def test_a_sweep_says_a_line_that_is_a_config(tmp_path, capsys):
    line = refusal(sweep_command.main, ["--datasets", "OWNDATA", "--models", "LSTM"], capsys)
    content = line.partition("which holds: ")[2]
    (tmp_path / "own.py").write_text(content)
    assert "data set 'OWNDATA' is not in" in said(tmp_path / "own.py", capsys), shlex.quote(content)
