"""Bad input to evaluate.py, predict.py and parameters.py: one line each, naming the value and the remedy."""

import json
import shutil

import numpy as np
import pytest
import torch

from experiments import evaluate, parameters, predict
from stlora_ext import load_adapter, save_adapter
from stlora_ext.errors import UserError
from stlora_ext.forecast import forecast
from stlora_ext.reopen import find_run, load_run
from tests.commands import refusal, refused, run, succeeded
from tests.reopened import data, finished, quick_meta, recent, results


@pytest.fixture
def copied(tmp_path):
    """A copy of a finished run of LSTM+: its record, with model.pt and adapter.safetensors in the folder beside it."""
    record = finished("LSTM+")
    shutil.copytree(record.with_suffix(""), tmp_path / record.stem, ignore=shutil.ignore_patterns("tensorboard"))
    return shutil.copy(record, tmp_path / record.name)


def rewrite(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def halve(path):
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])


def changed_checkpoint(path, **values):
    content = torch.load(path, weights_only=True)
    for name, value in values.items():
        if value is None:
            del content[name]
        else:
            content[name] = value
    torch.save(content, path)


@pytest.mark.parametrize(("damage", "expected"), [
    (lambda record, model: record.unlink(), "does not exist: expected the record of a finished run (.json)"),
    (lambda record, model: halve(record), "is damaged (JSONDecodeError"),
    (lambda record, model: record.write_text("[]"), "is damaged"),
    (lambda record, model: rewrite(record, lambda r: r.update(format="other")), "expected stlora-run-record-1"),
    (lambda record, model: rewrite(record, lambda r: r.update(data=3)), "'data' is a int, expected an object"),
    (lambda record, model: rewrite(record, lambda r: r["key"].update(model="LSMT+")), "did you mean 'LSTM+'"),
    (lambda record, model: rewrite(record, lambda r: r["key"].update(arm="base")), "LSTM+, protocol joint, arm base"),
    (lambda record, model: rewrite(record, lambda r: r["configuration"].pop("model")), "damaged (KeyError: 'model')"),
    (lambda record, model: rewrite(record, lambda r: r["configuration"]["training"].update(lrr=1)),
     "unknown key 'lrr': did you mean 'lr'? It was written by another version: repeat the run"),
    (lambda record, model: rewrite(record, lambda r: r["configuration"]["model"].update(hidden_size=32)),
     "'adapter.conv_bias' has shape|has shape (16,), the model expects|is of another configuration"),
    (lambda record, model: rewrite(record, lambda r: r["data"].update(fingerprint="sha256:0")),
     "is of other data (sha256:0, "),
    (lambda record, model: rewrite(record, lambda r: r["key"].update(dataset="QUIK")), "data set 'QUIK' is not in"),
    (lambda record, model: model.unlink(), "repeat the run with: python experiments/run.py -c CONFIG.py --seeds 0"),
    (lambda record, model: halve(model), "model.pt is damaged"),
    (lambda record, model: model.write_bytes(b""), "model.pt is damaged"),
    (lambda record, model: changed_checkpoint(model, scaler_stats=None), "holds no 'scaler_stats'"),
    (lambda record, model: changed_checkpoint(model, data_fingerprint="sha256:1"), "model.pt is of other data"),
    (lambda record, model: changed_checkpoint(model, config_md5="0" * 32), "is of another run (configuration 00000000"),
    (lambda record, model: shutil.copy(finished("LSTM").with_suffix("") / "model.pt", model), "is of another run"),
])
def test_a_run_that_is_not_whole_is_refused_by_both_commands(damage, expected, copied, tmp_path, capsys):
    damage(copied, copied.with_suffix("") / "model.pt")
    recent().to_csv(tmp_path / "recent.csv")
    places = ["--data", data(), "--results", tmp_path / "elsewhere"]
    line = refusal(evaluate.main, [copied, *places], capsys)
    assert any(part in line for part in expected.split("|"))
    assert line == refusal(predict.main, [copied, "--input", tmp_path / "recent.csv", "--output", tmp_path / "f.csv",
                                          *places], capsys)
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


@pytest.mark.parametrize(("change", "expected"), [
    (without("3"), "lacks sensor '3': expected the 5 sensors of QUICK"),
    (without(["0", "3"]), "lacks sensors '0', '3'"),
    (lambda table: table.rename(columns={"3": "33"}), "lacks sensor '3' and has the unknown sensor '33'"),
    (lambda table: table.rename(columns={"3": "2"}), "names sensor '2' twice"),
    (lambda table: table.iloc[1:], "has 11 rows: expected at least 12"),
    (lambda table: table.iloc[:0], "has 0 rows: expected at least 12"),
    (lambda table: table.set_axis(table.index[[0, *range(2, 12), 11]]), "is not after"),
    (lambda table: table.iloc[::-1], "row 2: 2024-01-02"),
    (lambda table: table.set_axis(table.index[0] + (table.index - table.index[0]) * 3), "is 15 minutes after the row"),
    (lambda table: table.set_axis([*table.index[:-1], table.index[-1] + (table.index[1] - table.index[0])]),
     "row 12: 2024-01-02 14:50 is 10 minutes after the row before: expected 5 minutes"),
    (lambda table: table.set_axis([f"day {row}" for row in range(12)]), "row 1: 'day 0' is no time"),
    (lambda table: table.set_axis(range(12)), "the time is the bare number '0'"),
    (lambda table: table.astype(object).replace(table.iloc[2, 1], "many"), "column '1': 'many' is no number"),
    (lambda table: table.replace(table.iloc[2, 1], np.inf), "row 3, sensor '1': the reading is infinite"),
    (lambda table: table * 0, "the last 12 rows hold no reading at all"),
    (lambda table: table * np.nan, "the last 12 rows hold no reading at all"),
    (lambda table: table * 1e38, "row 1, sensor '0': the reading is infinite"),
])
def test_readings_that_do_not_fit_are_refused_and_nothing_is_written(change, expected, tmp_path, capsys):
    change(recent()).to_csv(tmp_path / "recent.csv")
    (tmp_path / "f.csv").write_text("an earlier forecast")
    line = refusal(predict.main, [finished("LSTM"), "--data", data(), "--input", tmp_path / "recent.csv", "--output",
                                  tmp_path / "f.csv"], capsys)
    assert expected in line
    assert (tmp_path / "f.csv").read_text() == "an earlier forecast"


def test_a_forecast_of_nan_is_refused():
    class Broken(torch.nn.Module):
        def forward(self, inputs):
            return inputs * np.nan

    with pytest.raises(UserError, match="the model forecasts NaN or infinity from these readings"):
        forecast(Broken(), {"mean": torch.tensor(0.0), "std": torch.tensor(1.0)}, quick_meta(),
                 recent().to_numpy(), np.zeros((24, 2), np.float32))


@pytest.mark.parametrize(("arguments", "expected"), [
    (["--input", "none.csv", "--output", "f.csv"], "--input none.csv does not exist"),
    (["--input", "{recent}", "--output", "{recent}"], "is the input: name another file"),
    (["--input", "{recent}", "--output", "{folder}"], "is a folder: name the file"),
    (["--input", "{recent}"], "the following arguments are required: --output"),
    (["--input", "{recent}", "--output", "f.csv", "--backbone", "b.pt"], "only an adapter file (.safetensors) needs"),
])
def test_a_mistake_on_the_command_line_of_predict_is_one_line(arguments, expected, tmp_path, capsys):
    recent().to_csv(tmp_path / "recent.csv")
    arguments = [text.format(recent=tmp_path / "recent.csv", folder=tmp_path) for text in arguments]
    assert expected in refusal(predict.main, [finished("LSTM"), "--data", data(), *arguments], capsys)


def bare(path):
    """Save the run's adapter without origin."""
    model, stats = load_run(find_run(finished("LSTM+"), results()), quick_meta(), data())
    save_adapter(model, path, scaler=stats, data_fingerprint=quick_meta().fingerprint)


@pytest.mark.parametrize(("damage", "backbone", "expected"), [
    (lambda file: halve(file), None, "is damaged"),
    (lambda file: file.unlink(), None, "does not exist"),
    (bare, None, "holds no origin: expected one that run.py wrote"),
    (lambda file: (file.parent / "model.pt").unlink(), None, "has no model.pt beside it: name one with --backbone"),
    (lambda file: None, "absent.pt", "--backbone absent.pt does not exist: expected the model.pt of the LSTM+ run"),
    (lambda file: halve(file.parent / "model.pt"), None, "model.pt is damaged"),
    (lambda file: None, ("STGCN", 0), "does not fit the model|is of another configuration"),
    (lambda file: None, ("LSTM", 1), "belongs to other weights of LSTM"),
])
def test_an_adapter_file_without_its_backbone_is_refused(damage, backbone, expected, copied, tmp_path, capsys):
    recent().to_csv(tmp_path / "recent.csv")
    file = copied.with_suffix("") / "adapter.safetensors"
    damage(file)
    if isinstance(backbone, tuple):
        backbone = finished(backbone[0], seed=backbone[1]).with_suffix("") / "model.pt"
    line = refusal(predict.main, [file, "--data", data(), "--input", tmp_path / "recent.csv", "--output",
                                  tmp_path / "f.csv", *(["--backbone", backbone] if backbone else [])], capsys)
    assert any(part in line for part in expected.split("|"))


def test_an_adapter_file_of_other_data_is_refused(tmp_path, capsys):
    succeeded(run("datasets/simulate.py", "QUICK", "--nodes", 5, "--days", 2, "--seed", 9, "--data", tmp_path))
    recent().to_csv(tmp_path / "recent.csv")
    line = refusal(predict.main, [finished("LSTM+").with_suffix("") / "adapter.safetensors", "--data", tmp_path,
                                  "--input", tmp_path / "recent.csv", "--output", tmp_path / "f.csv"], capsys)
    assert "adapter.safetensors is of other data" in line


def test_an_adapter_file_says_which_tensor_is_wrong_and_what_was_expected(tmp_path):
    from safetensors.torch import load_file, save_file

    from stlora_ext.lora.files import read_adapter
    model, _ = load_run(find_run(finished("LSTM+"), results()), quick_meta(), data())
    path = tmp_path / "a.safetensors"
    save_adapter(model, path)
    described, tensors = read_adapter(path)[0], load_file(path)
    tensors["more"], tensors["conv_bias"] = torch.zeros(1), torch.zeros(3)
    del tensors["output_bias"]
    save_file(tensors, path, metadata={"stlora": json.dumps(described)})
    with pytest.raises(UserError, match=r"conv_bias \(\(3,\), expected \(32,\)\), more \(\(1,\), expected none of this "
                                        r"name\), output_bias \(absent, expected \(12,\)\)"):
        load_adapter(model.backbone, path)
    del described["num_nodes"]
    save_file(tensors, path, metadata={"stlora": json.dumps(described)})
    with pytest.raises(UserError, match="is damaged \\(no 'num_nodes'\\)"):
        load_adapter(model.backbone, path)


def test_a_refusal_of_the_real_commands_is_the_last_line_and_the_exit_code_is_2(tmp_path):
    assert "does not exist" in refused(run("experiments/evaluate.py", tmp_path / "a.json"))
    assert "does not exist" in refused(run("experiments/predict.py", tmp_path / "a.safetensors", "--input", "a.csv",
                                           "--output", tmp_path / "f.csv"))


@pytest.mark.parametrize(("arguments", "expected"), [
    (["--datasets", "PEMS8"], "unknown data set 'PEMS8': did you mean 'PEMS08'"),
    (["--models", "LSMT"], "did you mean 'LSTM'"),
    (["--models", "HA"], "--models HA: it is fitted and has no trained parameters"),
    (["--format", "html"], "invalid choice: 'html'"),
])
def test_a_mistake_on_the_command_line_of_parameters_is_one_line(arguments, expected, capsys):
    assert expected in refusal(parameters.main, arguments, capsys)
