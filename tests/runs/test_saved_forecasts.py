"""--save-results: on a run that is finished its stored weights are evaluated, nothing of it is changed."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from experiments import evaluate as evaluate_command
from experiments import run as run_command
from stlora_ext.data.prepared import load_meta
from tests.support.commands import refusal


@pytest.fixture
def run_tiny(tiny_data, tmp_path):
    """Runs a model on TINY for an epoch, with more options, and returns the record's path."""

    def run(model, *more):
        run_command.main(
            [
                "-c",
                f"experiments/TINY/{model}.py",
                "--seeds",
                "0",
                "--epochs",
                "1",
                "--data",
                str(tiny_data),
                "--results",
                str(tmp_path),
                "--set",
                "batch_size=256",
                *more,
            ]
        )
        return next(tmp_path.glob("TINY/*/*.json"))

    return run


def contents(record: Path) -> dict[str, bytes]:
    """Every file of a run but its log and its forecasts."""
    folder = record.with_suffix("")
    return {
        str(path): path.read_bytes()
        for path in [record, *folder.rglob("*")]
        if path.is_file() and path.name not in (".lock", "train.log") and path.parent.name != "test_results"
    }


def forecasts(record: Path) -> dict[str, np.ndarray]:
    return {path.stem: np.load(path) for path in (record.with_suffix("") / "test_results").glob("*.npy")}


@pytest.mark.parametrize("model", ["LSTM", "LSTM_LoRA", "HA"])
def test_the_forecasts_are_those_that_the_run_itself_would_have_saved(model, run_tiny, tmp_path):
    record = run_tiny(model)
    before = contents(record)
    assert not forecasts(record)
    run_tiny(model, "--save-results")
    saved = forecasts(record)
    assert contents(record) == before and set(saved) == {"inputs", "prediction", "targets", "targets_mask"}
    run_tiny(model, "--save-results", "--force")
    for name, values in forecasts(record).items():
        np.testing.assert_array_equal(values, saved[name])


def test_forecasts_that_are_there_are_left_alone_and_that_is_said(run_tiny, capsys):
    record = run_tiny("LSTM", "--save-results")
    folder = record.with_suffix("") / "test_results"
    np.save(folder / "prediction.npy", np.zeros(3))
    capsys.readouterr()
    run_tiny("LSTM", "--save-results")
    said = capsys.readouterr()
    assert f"{folder} is there already and left alone (run.py --force repeats the run" in said.err
    assert f"forecasts: {folder}" in said.out and len(forecasts(record)["prediction"]) == 3


def test_forecasts_of_weights_that_a_repeated_run_has_replaced_go(run_tiny):
    record = run_tiny("LSTM", "--save-results")
    run_tiny("LSTM", "--force")
    assert not forecasts(record)


def test_without_its_weights_a_run_is_refused_and_force_is_the_remedy(run_tiny, tiny_data, tmp_path, capsys):
    record = run_tiny("LSTM")
    model = record.with_suffix("") / "model.pt"
    model.unlink()
    line = refusal(lambda arguments: run_tiny("LSTM", *arguments), ["--save-results"], capsys)
    assert f"{model}, are gone" in line and "repeat the run with --force" in line
    run_tiny("LSTM", "--save-results", "--force")
    assert model.exists() and forecasts(record)


def test_other_weights_are_refused_and_leave_nothing_behind(run_tiny, capsys):
    record = run_tiny("LSTM")
    model = record.with_suffix("") / "model.pt"
    checkpoint = torch.load(model, weights_only=True)
    checkpoint["model_state_dict"] = {name: 2 * value for name, value in checkpoint["model_state_dict"].items()}
    torch.save(checkpoint, model)
    line = refusal(lambda arguments: run_tiny("LSTM", *arguments), ["--save-results"], capsys)
    assert "put back the run's own weights, or repeat the run with --force" in line
    assert not [path for path in record.with_suffix("").iterdir() if "test_results" in path.name]


def table(record: Path) -> pd.DataFrame:
    file = record.with_suffix("") / "test_results" / "forecasts.csv"
    return pd.read_csv(file, parse_dates=["time_made", "time_forecast"], dtype={"sensor": str})


@pytest.mark.parametrize("arm", ["base", "plus"])
def test_of_new_sensors_the_table_holds_those_that_were_set_aside(arm, run_tiny, tmp_path):
    model = "LSTM" if arm == "base" else "LSTM_LoRA"
    asked = ["--protocol", "new-sensors", *["--train-backbone"] * (arm == "plus"), "--set", "new_sensors.names=[7,'2']"]
    run_tiny(model, *asked, "--save-results", "--format", "csv")
    (record,) = tmp_path.glob(f"TINY/*/new-sensors-{arm}-*.json")
    arrays, long = forecasts(record), table(record)
    assert arrays["prediction"].shape[2] == 2 and list(long["sensor"][:2]) == ["2", "7"]
    np.testing.assert_array_equal(long["forecast"].to_numpy(np.float32), arrays["prediction"].ravel())


def test_format_csv_adds_a_table_with_times_and_names(run_tiny, tiny_data):
    record = run_tiny("LSTM", "--save-results", "--format", "csv")
    arrays, meta = forecasts(record), load_meta(tiny_data, "TINY")
    long, shape = table(record), arrays["prediction"].shape
    assert list(long.columns) == ["time_made", "time_forecast", "sensor", "forecast", "reading"]
    np.testing.assert_array_equal(long["forecast"].to_numpy(np.float32).reshape(shape), arrays["prediction"])
    readings = np.where(arrays["targets_mask"] > 0, arrays["targets"], np.nan)
    np.testing.assert_array_equal(long["reading"].to_numpy(np.float32).reshape(shape), readings)
    first = pd.Timestamp(meta.start) + pd.Timedelta(minutes=5 * (meta.windows["train"] + meta.windows["val"] + 11))
    window, step, node = np.unravel_index(np.arange(len(long)), shape)
    assert (long["time_made"] == first + pd.to_timedelta(5 * window, unit="min")).all()
    assert (long["time_forecast"] == first + pd.to_timedelta(5 * (window + step + 1), unit="min")).all()
    assert (long["sensor"] == np.array(meta.sensor_ids)[node]).all()
    assert long["time_forecast"].iloc[-1] == pd.Timestamp(meta.start) + pd.Timedelta(minutes=5 * (meta.num_steps - 1))


@pytest.mark.parametrize("model", ["LSTM", "LSTM_LoRA"])
def test_evaluate_saves_what_the_run_would_have_saved(model, run_tiny, tiny_data, tmp_path, capsys):
    record = run_tiny(model)
    before = contents(record)
    places = ["--data", str(tiny_data), "--results", str(tmp_path)]
    evaluate_command.main([str(record), *places, "--save-results", "--format", "csv"])
    out = capsys.readouterr().out
    assert "to the bit" in out and f"forecasts: {record.with_suffix('') / 'test_results'}" in out
    saved, long = forecasts(record), table(record)
    assert contents(record) == before
    run_tiny(model, "--save-results", "--format", "csv", "--force")
    for name, values in forecasts(record).items():
        np.testing.assert_array_equal(values, saved[name])
    pd.testing.assert_frame_equal(table(record), long)


def test_a_table_is_added_to_arrays_that_are_there(run_tiny):
    record = run_tiny("HA", "--save-results")
    prediction = record.with_suffix("") / "test_results" / "prediction.npy"
    before = prediction.stat().st_mtime_ns
    run_tiny("HA", "--save-results", "--format", "csv")
    assert len(table(record)) == np.load(prediction).size and prediction.stat().st_mtime_ns == before


def test_arrays_that_are_no_forecasts_of_this_set_give_no_table(run_tiny, capsys):
    record = run_tiny("LSTM", "--save-results")
    folder = record.with_suffix("") / "test_results"
    np.save(folder / "prediction.npy", np.zeros(3))
    line = refusal(lambda options: run_tiny("LSTM", *options), ["--save-results", "--format", "csv"], capsys)
    assert "prediction.npy has the shape (3,), expected" in line and f"delete the folder {folder}" in line
    assert not (folder / "forecasts.csv").exists()
    (folder / "prediction.npy").write_bytes(b"no array")
    line = refusal(lambda options: run_tiny("LSTM", *options), ["--save-results", "--format", "csv"], capsys)
    assert "prediction.npy cannot be read" in line
    shutil.rmtree(folder)
    run_tiny("LSTM", "--save-results", "--format", "csv")
    assert len(table(record)) == np.load(folder / "prediction.npy").size


def test_a_format_without_forecasts_is_refused(run_tiny, tmp_path, capsys):
    line = refusal(lambda options: run_tiny("LSTM", *options), ["--format", "csv"], capsys)
    assert "--format csv: only --save-results writes forecasts" in line and not list(tmp_path.iterdir())
    assert "--format csv: only" in refusal(evaluate_command.main, ["x.json", "--format", "csv"], capsys)
    line = refusal(evaluate_command.main, ["x.json", "--save-results", "--input", "new.csv"], capsys)
    assert "--save-results keeps forecasts of the test set: leave it out" in line
