"""A data set has no name of the project's own folders: every command that takes one refuses it in the same words."""

import json
from pathlib import Path

import pytest

import prepare
import simulate
from experiments import evaluate, parameters, plot, predict, publish, report, run, screen, sweep, table
from stlora_ext.data.catalog import CATALOG
from stlora_ext.data.names import RESERVED, check_dataset_name
from stlora_ext.errors import UserError
from stlora_ext.tables.groups import recorded_datasets
from tests.support.commands import ROOT, refusal

CONFIG, RECORD = "config.py", "record.json"  # that name the data set
COMMANDS = {
    "prepare": (prepare, "{}", "--raw", "mine.csv"),
    "simulate": (simulate, "{}", "--nodes", "5", "--days", "7"),
    "simulate a raw file": (simulate, "{}", "--raw-file", "raw.npz"),
    "run": (run, "-c", CONFIG),
    "screen": (screen, "-c", CONFIG, "--protocol", "joint"),
    "sweep": (sweep, "--datasets", "{}", "--models", "LSTM", "--dry-run"),
    "table": (table, "--dataset", "{}"),
    "table of gains": (table, "--dataset", "{}", "--gains"),
    "table of settings": (table, "--dataset", "{}", "--settings", "LSTM+"),
    "plot": (plot, "--dataset", "{}", "--out", "out.png"),
    "plot of gains": (
        plot,
        "--dataset",
        "CITY",
        "{}",
        "--gains",
        "LSTM+",
        "--out",
        "out.png",
        "--results",
        ROOT / "results" / "published",
    ),
    "report": (report, "--dataset", "{}"),
    "publish": (publish, "--dataset", "{}", "--to", "to"),
    "parameters": (parameters, "--datasets", "{}"),
    "evaluate": (evaluate, RECORD),
    "predict": (predict, RECORD, "--input", "in.csv", "--output", "out.csv"),
}


@pytest.mark.parametrize("name", [*RESERVED, "Demo", "PUBLISHED"])
@pytest.mark.parametrize("what", COMMANDS)
def test_a_reserved_name_is_refused_by_every_command_alike(what, name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path(CONFIG).write_text(f'from experiments.defaults import experiment\nCFG = experiment("{name}", "LSTM+")\n')
    record = json.loads(min((ROOT / "results" / "published" / "CITY" / "LSTM+").glob("*.json")).read_text())
    record["key"]["dataset"] = name
    Path(RECORD).write_text(json.dumps(record))
    before = set(tmp_path.iterdir())
    command, *arguments = COMMANDS[what]
    message = refusal(command.main, [str(argument).format(name) for argument in arguments], capsys)
    assert f"data set '{name}': expected a name such as PEMS08, and none of " in message
    assert set(tmp_path.iterdir()) == before


def test_a_sweep_over_all_leaves_a_reserved_name_out(tmp_path, monkeypatch, tiny_data, capsys):
    from stlora_ext.sweep import request as planned

    (tmp_path / "experiments" / "demo").mkdir(parents=True)
    (tmp_path / "experiments" / "TINY").mkdir()
    for name in ("demo", "TINY"):
        (tmp_path / "experiments" / name / "LSTM.py").write_text(
            f'from experiments.defaults import experiment\nCFG = experiment("{name}", "LSTM")\n'
        )
    monkeypatch.setattr(planned, "ROOT", tmp_path)
    sweep.main(
        [
            "--datasets",
            "all",
            "--models",
            "LSTM",
            "--data",
            str(tiny_data),
            "--dry-run",
            "--results",
            str(tmp_path / "results"),
        ]
    )
    assert "choose another name" in capsys.readouterr().out


def test_records_under_a_reserved_name_are_no_data_set(tmp_path):
    for name in ("demo", "TINY"):
        (tmp_path / name / "LSTM").mkdir(parents=True)
        (tmp_path / name / "LSTM" / "joint-base-00000000-seed0.json").write_text("{}")
    assert recorded_datasets(tmp_path) == ["TINY"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "-a", "_a", ".a", "a b", "a\n", "ä", "=1+1", 5, None])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(UserError, match="expected a name such as PEMS08, of letters"):
        check_dataset_name(name)


@pytest.mark.parametrize("name", [*CATALOG, "demo2", "my-demo", "published.2", "METR-LA-29-STREAM", "0"])
def test_other_names_are_taken(name):
    assert check_dataset_name(name) == name
