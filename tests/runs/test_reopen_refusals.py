"""Bad input to evaluate.py, predict.py and parameters.py: one line each, naming the value and the remedy."""

import json
import shutil

import numpy as np
import pytest
import torch

from experiments import evaluate, predict
from stlora_ext import load_adapter, save_adapter
from stlora_ext.errors import UserError
from stlora_ext.runs.forecast import forecast
from stlora_ext.runs.reopen import find_run, load_model
from tests.support.commands import refusal, run, succeeded
from tests.support.reopened import data, finished, halve, quick_meta, recent, results


@pytest.fixture
def copied(tmp_path):
    """A copy of a finished run of LSTM+: its record, with model.pt and adapter.safetensors in the folder beside it."""
    record = finished("LSTM+")
    shutil.copytree(record.with_suffix(""), tmp_path / record.stem, ignore=shutil.ignore_patterns("tensorboard"))
    return shutil.copy(record, tmp_path / record.name)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda record, model: record.unlink(), "does not exist: expected the record of a finished run (.json)"),
        (lambda record, model: halve(record), "is damaged (JSONDecodeError"),
        (lambda record, model: model.unlink(), "repeat the run with: python experiments/run.py --dataset QUICK"),
        (lambda record, model: halve(model), "model.pt is damaged"),
    ],
)
def test_a_run_that_is_not_whole_is_refused_by_both_commands(damage, expected, copied, tmp_path, capsys):
    damage(copied, copied.with_suffix("") / "model.pt")
    recent().to_csv(tmp_path / "recent.csv")
    places = ["--data", data(), "--results", tmp_path / "elsewhere"]
    line = refusal(evaluate.main, [copied, *places], capsys)
    assert expected in line
    assert line == refusal(
        predict.main, [copied, "--input", tmp_path / "recent.csv", "--output", tmp_path / "f.csv", *places], capsys
    )
    assert not (tmp_path / "f.csv").exists()


def test_what_is_neither_record_nor_checkpoint_is_refused(copied, tmp_path, capsys):
    (tmp_path / "notes.txt").touch()
    assert "ends in '.txt': expected the record" in refusal(evaluate.main, [tmp_path / "notes.txt"], capsys)
    assert "is a folder: expected the record" in refusal(evaluate.main, [tmp_path], capsys)
    copied.unlink()
    line = refusal(evaluate.main, [copied.with_suffix("") / "model.pt"], capsys)
    assert f"no record {copied.name} beside its folder: finish the run" in line


def test_other_data_under_the_same_name_are_refused(tmp_path, capsys):
    succeeded(run("datasets/simulate.py", "QUICK", "--nodes", 5, "--days", 2, "--seed", 9, "--data", tmp_path))
    line = refusal(evaluate.main, [finished("LSTM"), "--data", tmp_path], capsys)
    assert "is of other data" in line and "name their folder with --data DIR" in line


def without(column):
    return lambda table: table.drop(columns=column)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (without("3"), "lacks sensor '3': expected the 5 sensors of QUICK"),
        (without(["0", "3"]), "lacks sensors '0', '3'"),
        (lambda table: table.rename(columns={"3": "33"}), "lacks sensor '3' and has the unknown sensor '33'"),
        (lambda table: table.rename(columns={"3": "2"}), "names sensor '2' twice"),
        (lambda table: table.iloc[1:], "has 11 rows: expected at least 12"),
        (lambda table: table.iloc[:0], "has a header and no rows: expected one row per time step"),
        (lambda table: table.set_axis(table.index[[0, *range(2, 12), 11]]), "is not after"),
        (lambda table: table.iloc[::-1], "row 2: 2024-01-02"),
        (
            lambda table: table.set_axis(table.index[0] + (table.index - table.index[0]) * 3),
            "is 15 minutes after the row",
        ),
        (
            lambda table: table.set_axis([*table.index[:-1], table.index[-1] + (table.index[1] - table.index[0])]),
            "row 12: 2024-01-02 14:50 is 10 minutes after the row before: expected 5 minutes",
        ),
        (lambda table: table.set_axis([f"day {row}" for row in range(12)]), "row 1: 'day 0' is no time"),
        (lambda table: table.set_axis(range(12)), "does not say when its rows are: expected a column of times"),
        (lambda table: table.astype(object).replace(table.iloc[2, 1], "many"), "column '1': 'many' is no number"),
        (lambda table: table.replace(table.iloc[2, 1], np.inf), "row 3, sensor '1': the reading is infinite"),
        (lambda table: table * 0, "the last 12 rows hold no reading at all"),
        (lambda table: table * np.nan, "the last 12 rows hold no reading at all"),
        (lambda table: table * 1e38, "row 1, sensor '0': the reading is infinite"),
    ],
)
def test_readings_that_do_not_fit_are_refused_and_nothing_is_written(change, expected, tmp_path, capsys):
    change(recent()).to_csv(tmp_path / "recent.csv")
    (tmp_path / "f.csv").write_text("an earlier forecast")
    line = refusal(
        predict.main,
        [finished("LSTM"), "--data", data(), "--input", tmp_path / "recent.csv", "--output", tmp_path / "f.csv"],
        capsys,
    )
    assert expected in line
    assert (tmp_path / "f.csv").read_text() == "an earlier forecast"


def test_a_forecast_of_nan_is_refused():
    class Broken(torch.nn.Module):
        def forward(self, inputs):
            return inputs * np.nan

    with pytest.raises(UserError, match="the model forecasts NaN or infinity from these readings"):
        forecast(
            Broken(),
            {"mean": torch.tensor(0.0), "std": torch.tensor(1.0)},
            quick_meta(),
            recent().to_numpy(),
            np.zeros((24, 2), np.float32),
        )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--input", "none.csv", "--output", "f.csv"], "--input none.csv does not exist"),
        (["--input", "{recent}", "--output", "{recent}"], "is the input: name another file"),
        (["--input", "{recent}", "--output", "{folder}"], "is a folder: name the file"),
        (["--input", "{recent}", "--output", "f.xlsx"], "ends in '.xlsx': forecasts are CSV"),
        (["--input", "{recent}", "--output", "f.parquet", "--all"], "ends in '.parquet': forecasts are CSV"),
        (["--input", "{recent}", "--output", "run.json"], "ends in '.json': forecasts are CSV"),
        (["--input", "{recent}"], "the following arguments are required: --output"),
        (
            ["--input", "{recent}", "--output", "f.csv", "--backbone", "b.pt"],
            "only an adapter file (.safetensors) needs",
        ),
    ],
)
def test_a_mistake_on_the_command_line_of_predict_is_one_line(arguments, expected, tmp_path, capsys):
    recent().to_csv(tmp_path / "recent.csv")
    arguments = [text.format(recent=tmp_path / "recent.csv", folder=tmp_path) for text in arguments]
    assert expected in refusal(predict.main, [finished("LSTM"), "--data", data(), *arguments], capsys)


def test_an_adapter_file_of_other_data_is_refused(tmp_path, capsys):
    succeeded(run("datasets/simulate.py", "QUICK", "--nodes", 5, "--days", 2, "--seed", 9, "--data", tmp_path))
    recent().to_csv(tmp_path / "recent.csv")
    line = refusal(
        predict.main,
        [
            finished("LSTM+").with_suffix("") / "adapter.safetensors",
            "--data",
            tmp_path,
            "--input",
            tmp_path / "recent.csv",
            "--output",
            tmp_path / "f.csv",
        ],
        capsys,
    )
    assert "adapter.safetensors is of other data" in line


def test_an_adapter_file_says_which_tensor_is_wrong_and_what_was_expected(tmp_path):
    from safetensors.torch import load_file, save_file

    from stlora_ext.lora.files import read_adapter

    model, _ = load_model(find_run(finished("LSTM+"), results()), quick_meta(), data())
    path = tmp_path / "a.safetensors"
    save_adapter(model, path)
    described, tensors = read_adapter(path)[0], load_file(path)
    tensors["more"], tensors["conv_bias"] = torch.zeros(1), torch.zeros(3)
    del tensors["output_bias"]
    save_file(tensors, path, metadata={"stlora": json.dumps(described)})
    with pytest.raises(
        UserError,
        match=r"conv_bias \(\(3,\), expected \(32,\)\), more \(\(1,\), expected none of this "
        r"name\), output_bias \(absent, expected \(12,\)\)",
    ):
        load_adapter(model.backbone, path)
    del described["num_nodes"]
    save_file(tensors, path, metadata={"stlora": json.dumps(described)})
    with pytest.raises(UserError, match="is damaged \\(no good 'num_nodes'\\)"):
        load_adapter(model.backbone, path)
