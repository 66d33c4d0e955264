"""A finished run opened again: the same scores, the same forecasts, and the command that repeats it."""

import io
import json
import shlex
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from experiments import evaluate, predict
from experiments import run as run_command
from stlora_ext.config.experiment import configuration
from stlora_ext.data.prepared import missing
from stlora_ext.runs.record import Record
from stlora_ext.runs.rerun import how_to_repeat
from tests.support.commands import run, succeeded
from tests.support.reopened import data, finished, quick_meta, recent, results, runner_forecast
from tests.support.small import OURS
from tests.support.streamed import EVERY, streamed
from tests.support.table_records import record as tables_record


def evaluated(path, capsys, *more):
    capsys.readouterr()
    evaluate.main([str(path), "--data", str(data()), *map(str, more)])
    return capsys.readouterr().out


def predicted(path, tmp_path, table, *more):
    table.to_csv(tmp_path / "recent.csv")
    predict.main(
        [
            str(path),
            "--data",
            str(data()),
            "--input",
            str(tmp_path / "recent.csv"),
            "--output",
            str(tmp_path / "out" / "forecast.csv"),
            *map(str, more),
        ]
    )
    return pd.read_csv(tmp_path / "out" / "forecast.csv", index_col=0, parse_dates=True)


@pytest.mark.parametrize("name", [*OURS, *(f"{name}+" for name in OURS)])
def test_a_checkpoint_evaluates_to_its_record_and_forecasts_what_the_test_forecast(name, tmp_path, capsys):
    record = finished(name)
    assert "the record says the same, to the bit" in evaluated(record, capsys)
    forecast = predicted(record, tmp_path, recent())
    np.testing.assert_allclose(forecast.to_numpy(), runner_forecast(record), rtol=1e-4)
    if name.endswith("+"):
        by_adapter = predicted(record.with_suffix("") / "adapter.safetensors", tmp_path, recent())
        pd.testing.assert_frame_equal(by_adapter, forecast)


@pytest.mark.parametrize(
    ("protocol", "arm", "times"),
    [("adapt", "plus", False), ("joint", "wide", False), ("joint", "control", False), ("joint", "plus", True)],
)
def test_every_protocol_arm_and_input_is_opened_again(protocol, arm, times, tmp_path, capsys):
    record = finished("LSTM+", protocol, arm, times=times)
    assert "to the bit" in evaluated(record, capsys)
    for path in (record, record.with_suffix("") / "model.pt", record.with_suffix("") / "adapter.safetensors"):
        np.testing.assert_allclose(predicted(path, tmp_path, recent()).to_numpy(), runner_forecast(record), rtol=1e-4)


@pytest.mark.parametrize("arm", ["base", "plus", "finetune"])
def test_a_stream_is_walked_again_and_forecasts_with_its_last_weights(arm, tmp_path, capsys):
    record, windows = streamed(arm), quick_meta().windows["test"]
    periods = -(-windows // EVERY)
    updates = 0 if arm == "base" else periods
    said = evaluated(record, capsys)
    assert f"evaluated on {windows} test windows, walked again in {periods} periods with {updates} updates" in said
    assert "the record says the same, to the bit" in said
    forecast = predicted(record, tmp_path, recent(window=windows - 1))
    last = np.load(record.with_suffix("") / "test_results" / "prediction.npy")[-1]
    np.testing.assert_allclose(forecast.to_numpy(), last, rtol=1e-4)


def test_a_streams_forecasts_are_kept_when_it_is_walked_again(tmp_path, monkeypatch, capsys):
    record = streamed()
    place = tmp_path / "results" / "QUICK"
    for path in (record, finished("LSTM")):
        shutil.copytree(path.with_suffix(""), place / path.parent.name / path.stem)
        shutil.copy(path, place / path.parent.name)
    folder = place / record.parent.name / record.stem
    before = np.load(folder / "test_results" / "prediction.npy")
    shutil.rmtree(folder / "test_results")
    monkeypatch.chdir(folder)  # paths of one part
    evaluated("model.pt", capsys, "--save-results")
    np.testing.assert_array_equal(np.load(folder / "test_results" / "prediction.npy"), before)


def test_an_adapter_of_a_frozen_backbone_goes_with_that_backbones_own_checkpoint(tmp_path):
    record, backbone = finished("LSTM+", "adapt"), finished("LSTM")
    alone = shutil.copy(record.with_suffix("") / "adapter.safetensors", tmp_path)
    forecast = predicted(alone, tmp_path, recent(), "--backbone", backbone.with_suffix("") / "model.pt")
    np.testing.assert_allclose(forecast.to_numpy(), runner_forecast(record), rtol=1e-4)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda name: f"module.{name}",
        lambda name: name.replace("backbone.", "backbone.module."),
        lambda name: f"_orig_mod.{name}",
    ],
    ids=["the model", "the backbone", "compiled"],
)
def test_an_adapter_takes_its_backbone_from_the_checkpoint_of_a_wrapped_model(wrap, tmp_path):
    folder = finished("LSTM+").with_suffix("")
    checkpoint = torch.load(folder / "model.pt", weights_only=True)
    checkpoint["model_state_dict"] = {wrap(name): tensor for name, tensor in checkpoint["model_state_dict"].items()}
    torch.save(checkpoint, tmp_path / "wrapped.pt")
    forecast = predicted(folder / "adapter.safetensors", tmp_path, recent(), "--backbone", tmp_path / "wrapped.pt")
    np.testing.assert_allclose(forecast.to_numpy(), runner_forecast(finished("LSTM+")), rtol=1e-4)


def test_the_forecast_has_the_times_after_the_input_and_the_order_of_the_data_set(tmp_path):
    table, meta = recent(earlier=3), quick_meta()
    forecast = predicted(finished("LSTM"), tmp_path, table[table.columns[::-1]])
    assert list(forecast.columns) == meta.sensor_ids and forecast.index.name == "time"
    assert list(forecast.index) == list(table.index[-1] + pd.to_timedelta(5 * np.arange(1, 13), unit="min"))
    np.testing.assert_allclose(forecast.to_numpy(), runner_forecast(finished("LSTM")), rtol=1e-4)


def test_an_empty_cell_is_missing_as_the_null_value_is(tmp_path):
    table = recent()
    assert missing(table, 0.0).to_numpy().any()
    for model in ("HA", "LSTM"):
        emptied = predicted(finished(model), tmp_path, table.mask(missing(table, 0.0)))
        np.testing.assert_allclose(emptied.to_numpy(), runner_forecast(finished(model)), rtol=1e-4)


def test_evaluation_writes_nothing(capsys):
    record = finished("LSTM")
    before = {path: path.stat().st_mtime_ns for path in results().rglob("*")}
    evaluated(record.with_suffix("") / "model.pt", capsys)
    assert {path: path.stat().st_mtime_ns for path in results().rglob("*")} == before


def test_a_published_record_finds_the_runs_folder_and_may_lack_newer_settings(tmp_path, capsys):
    record = json.loads(finished("LSTM+").read_text())
    del record["configuration"]["training"]["bf16"], record["configuration"]["adapter"]["dropout"]
    published = tmp_path / "published" / "QUICK" / "LSTM+" / finished("LSTM+").name
    published.parent.mkdir(parents=True)
    published.write_text(json.dumps(record))
    assert "to the bit" in evaluated(published, capsys, "--results", results())


def test_a_difference_from_the_record_is_told_with_its_place(tmp_path, capsys):
    record = json.loads(finished("LSTM").read_text())
    record["test"]["horizons"][4]["RMSE"] += 0.25
    (tmp_path / "a.json").write_text(json.dumps(record))
    text = evaluated(tmp_path / "a.json", capsys, "--results", results())
    assert "largest difference from the record: 0.25 (step 5 RMSE" in text


def test_both_commands_run_as_a_user_runs_them(tmp_path):
    recent().to_csv(tmp_path / "recent.csv")
    record = finished("STGCN+")
    text = succeeded(run("experiments/evaluate.py", record, "--data", data(), "--threads", 1))
    assert "QUICK/LSTM" not in text and "60 min " in text and "average" in text
    succeeded(
        run(
            "experiments/predict.py",
            record,
            "--data",
            data(),
            "--input",
            tmp_path / "recent.csv",
            "--output",
            tmp_path / "forecast.csv",
        )
    )
    lines = io.StringIO((tmp_path / "forecast.csv").read_text()).readlines()
    assert len(lines) == 13 and lines[0].startswith("time,0,1,")


@pytest.mark.parametrize(
    "arguments",
    [
        ["LSTM.py"],
        ["HA.py"],
        ["SVR.py", "--set", "model.penalty=0.5"],
        ["LSTM.py", "--bf16", "--epochs", "3", "--batch-size", "32"],
        [
            "STGCN.py",
            "--set",
            "clip_grad_norm=None",
            "lr_milestones=[3, 7]",
            "model.block_channels=[[8, 4, 8]]",
            "model.activation=gtu",
        ],
        ["D2STGNN.py", "--epochs", "120", "--set", "weight_decay=0"],
        ["AGCRN_LoRA.py", "--set", "adapter.sharing=vector", "adapter.rank=3", "adapter.alpha=2.5", "adapter_lr=0.01"],
        ["LSTM_LoRA.py", "--arm", "wide"],
        ["LSTM_LoRA.py", "--arm", "base"],
        ["LSTM_LoRA.py", "--protocol", "adapt", "--arm", "control"],
        ["HA_LoRA.py", "--set", "adapter.x=window"],
    ],
)
def test_the_command_that_repeats_a_run_has_its_key(arguments, tiny_data, tmp_path, capsys):
    def dry_run(options):
        run_command.main([*options, "--dry-run", "--data", str(tiny_data), "--results", str(tmp_path)])
        return next(line for line in capsys.readouterr().out.splitlines() if "record:" in line)

    from stlora_ext.config.config_file import load_experiment
    from stlora_ext.data.available import open_dataset

    args = run_command.parser().parse_args(["-c", f"experiments/TINY/{arguments[0]}", *arguments[1:]])
    wanted = dry_run(["-c", f"experiments/TINY/{arguments[0]}", *arguments[1:], "--seeds", "3"])
    exp, meta = resolved(load_experiment(args.config), args), open_dataset("TINY", tiny_data)
    record = {
        "key": run_key_of(exp, meta),
        "configuration": json.loads(json.dumps(configuration(exp))),
        "provenance": {},
        **{part: tables_record()[part] for part in ("status", "test", "data", "training", "parameters")},
    }
    if exp.protocol == "adapt" and not exp.backbone.fitted:
        record["trained_backbone"] = {"key": run_key_of(exp.with_arm("base"), meta)}
    command = shlex.split(how_to_repeat(Record.of(record), meta))
    assert command[:2] == ["python", "experiments/run.py"]
    assert dry_run(command[2:]) == wanted


def resolved(exp, args):
    from stlora_ext.fields import parse_assignments

    values = parse_assignments(args.assignments)
    values |= {
        name: value
        for name, value in (("num_epochs", args.epochs), ("batch_size", args.batch_size))
        if value is not None
    } | ({"bf16": True} if args.bf16 else {})
    exp = exp.override(values)
    exp = exp.with_protocol(args.protocol) if args.protocol else exp
    return exp.with_arm(args.arm) if args.arm else exp


def run_key_of(exp, meta):
    from stlora_ext.runs.backbone import run_key

    return run_key(exp, meta, None if exp.run_seeds == (None,) else 3).as_dict()


def test_the_repeating_command_names_folders_backbone_and_force_where_they_are_needed():
    record = json.loads(finished("LSTM+", "adapt").read_text())
    command = how_to_repeat(Record.of(record), quick_meta(), results(), data())
    assert command.startswith("python experiments/run.py --dataset QUICK --model LSTM+ ")
    assert f"--results {results()} --data {data()} --force" in command and "--train-backbone" in command
    other = json.loads(finished("LSTM", seed=1).read_text())
    record["trained_backbone"]["key"] = other["key"]
    assert f"--from {finished('LSTM', seed=1).with_suffix('')}/model.pt" in how_to_repeat(
        Record.of(record), quick_meta(), results(), data()
    )


def test_the_record_counts_every_module_and_the_adapter_files_bytes():
    record = json.loads(finished("LSTM+").read_text())
    file = finished("LSTM+").with_suffix("") / "adapter.safetensors"
    assert record["adapter_bytes"] == file.stat().st_size < 40_000 and file.stat().st_mode & 0o044
    counts, modules = record["parameters"], record["parameters"]["modules"]
    assert sum(modules["backbone"].values()) == counts["backbone"]
    assert sum(modules["adapter"].values()) == counts["adapter"]
    assert "adapter_bytes" not in json.loads(finished("LSTM").read_text())
