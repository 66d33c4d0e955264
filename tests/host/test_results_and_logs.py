"""R1, R2 and K8: what a run leaves behind is whole, its own, and only what was asked for."""

from pathlib import Path

import numpy as np
import pytest
import setproctitle
import torch

from stlora_ext.host.devices import use_device
from stlora_ext.host.forecasts import forecast_writer
from stlora_ext.host.launcher import launch_evaluation
from stlora_ext.host.logs import close_run_log
from stlora_ext.host.runner import HostRunner

from .toy import (
    INPUT_LEN,
    NUM_NODES,
    OUTPUT_LEN,
    forget_stock_loggers,
    our_config,
    readings,
    run_ours,
    run_stock,
    same,
    weights,
    windows,
)


def test_saved_results_are_wrong_on_stock_and_right_in_ours(world, tmp_path):
    """R1: stock's files have no header, misplace the last batch and mix units; ours load and hold every window."""
    values, there = readings(world, "test")
    inputs, targets = (np.nan_to_num(part) for part in windows(values))
    stock = run_stock(world, tmp_path / "stock", save_results=True)
    folder = Path(stock.ckpt_save_dir) / "test_results"
    with pytest.raises(ValueError, match="pickle"):
        np.load(folder / "targets.npy")
    raw = np.fromfile(folder / "targets.npy", np.float32).reshape(-1, OUTPUT_LEN, NUM_NODES)
    wrong = ~np.isclose(raw, targets, atol=1e-3).all(axis=(1, 2))
    # the last batch lies on rows 28 to 55 instead of 32 to 59; of the rows left empty, 58 and 59 are missing anyway
    assert (len(raw), wrong.nonzero()[0].tolist()) == (60, list(range(28, 58)))
    raw_inputs = np.fromfile(folder / "inputs.npy", np.float32)
    assert np.abs(raw_inputs).max() < 5 < 100 < np.abs(raw).max()

    run_ours(world, tmp_path / "ours", save_results=True)
    saved = {path.stem: np.load(path) for path in (tmp_path / "ours" / "test_results").iterdir()}
    assert saved.keys() == {"inputs", "prediction", "targets", "targets_mask"}
    np.testing.assert_allclose(saved["inputs"], inputs, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(saved["targets"], targets.astype(np.float32))
    np.testing.assert_array_equal(saved["targets_mask"].astype(bool), windows(there)[1])
    assert saved["prediction"].shape == (60, OUTPUT_LEN, NUM_NODES)
    assert saved["inputs"].shape == (60, INPUT_LEN, NUM_NODES)
    assert 20 < saved["prediction"].mean() < 200


def test_results_that_were_not_asked_for_are_written_by_stock_and_not_by_ours(world, tmp_path):
    """R2: save_results=False, the default, is ignored by stock."""
    stock = run_stock(world, tmp_path / "stock", save_results=False)
    assert len(list((Path(stock.ckpt_save_dir) / "test_results").iterdir())) == 3
    run_ours(world, tmp_path / "ours", save_results=False)
    assert not list((tmp_path / "ours").rglob("*.npy"))
    assert not (tmp_path / "ours" / "test_results").exists()


def test_results_replace_earlier_ones_as_a_whole(tmp_path):
    """R1: forecasts of too few windows, or an error in between, leave the earlier results untouched."""
    folder = tmp_path / "test_results"
    with forecast_writer(folder, 2) as write:
        write(prediction=torch.ones(2, 1, 1))
    with (
        pytest.raises(RuntimeError, match=r"\{'prediction': 1\} windows were forecast, 2 expected"),
        forecast_writer(folder, 2) as write,
    ):
        write(prediction=torch.zeros(1, 1, 1))
    with pytest.raises(KeyboardInterrupt), forecast_writer(folder, 2) as write:
        write(prediction=torch.zeros(2, 1, 1))
        raise KeyboardInterrupt
    assert np.load(folder / "prediction.npy").ravel().tolist() == [1.0, 1.0]
    assert list(tmp_path.iterdir()) == [folder]


def test_an_evaluation_repeats_the_scores_without_training_data(world, tmp_path):
    """R1: evaluating the checkpoint later gives what training gave; the statistics come from the checkpoint."""
    trained = run_ours(world, tmp_path / "run", save_results=True)
    forecast = np.load(tmp_path / "run" / "test_results" / "prediction.npy")
    for file in (*world.glob("train_*"), *world.glob("val_*")):
        file.unlink()
    cfg = our_config(world, tmp_path / "again", save_results=True)
    evaluated = launch_evaluation(cfg, str(tmp_path / "run" / "best.pt"))
    assert evaluated.test_result == trained.test_result
    assert same(weights(evaluated), weights(trained))
    np.testing.assert_array_equal(np.load(tmp_path / "again" / "test_results" / "prediction.npy"), forecast)


def test_two_runs_in_one_process_share_a_log_on_stock_and_have_their_own_in_ours(world, tmp_path):
    """K8: stock's loggers outlive the run, so the second run writes into the first one's file."""
    forget_stock_loggers()
    stock = [Path(run_stock(world, tmp_path / f"stock{i}", num_epochs=i + 1).ckpt_save_dir) for i in range(2)]
    (log,) = stock[0].glob("training_log_*.log")
    assert log.read_text().count("Initializing training") == 2
    assert not list(stock[1].glob("*.log"))
    for i in range(2):
        run_ours(world, tmp_path / f"ours{i}", num_epochs=i + 1)
    for i in range(2):
        assert (tmp_path / f"ours{i}" / "train.log").read_text().count("Result <val>") == i + 1


def test_an_early_end_is_in_the_log(world, tmp_path):
    """K8: the run's own file says why it ended."""
    with pytest.raises(FileNotFoundError):
        run_ours(tmp_path / "nowhere", tmp_path / "run")
    log = (tmp_path / "run" / "train.log").read_text()
    assert "the run ended early" in log
    assert "FileNotFoundError" in log


def test_a_process_is_named_after_its_run_before_the_first_epoch(world, tmp_path):
    use_device("")
    close_run_log(HostRunner(our_config(world, tmp_path, run_title="WORLD/LSTM seed 3")).logger)
    assert setproctitle.getproctitle() == "WORLD/LSTM seed 3"
