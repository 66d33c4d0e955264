"""--save-results on a run that is finished: its stored weights are evaluated, nothing of it is changed."""

from pathlib import Path

import numpy as np
import pytest
import torch

from experiments import run as run_command
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
