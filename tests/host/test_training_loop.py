"""T1, T2, T3, V1, V2 and H1: which steps are trained, and when which split is looked at."""

import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from basicts.models.HI import HI
from basicts.models.HI.config.hi_config import HIConfig
from basicts.runners.callback import AddAuxiliaryLoss, BasicTSCallback, GradAccumulation, GradientClipping, NoBP

from stlora_ext.errors import UserError
from stlora_ext.host.cuda_graphs import RecordedSteps, refuse_unrecordable
from stlora_ext.host.curriculum import HorizonCurriculum
from stlora_ext.host.launcher import launch_training
from stlora_ext.host.runner import HostRunner

from .toy import (
    INPUT_LEN,
    OUTPUT_LEN,
    STEPS_PER_EPOCH,
    Interrupted,
    NodeMean,
    Watch,
    our_config,
    readings,
    run_ours,
    run_stock,
)


class HorizonMeter(BasicTSCallback):
    """Keeps what stock BasicTS logs as the test error at the first horizon."""

    def __init__(self) -> None:
        self.logged: list[float] = []

    def on_test_end(self, runner) -> None:
        self.logged.append(runner.meter_pool.get_value("test/MAE@h1"))


class Spy(HostRunner):
    """Notes what is evaluated, in order."""

    def __init__(self, cfg) -> None:
        super().__init__(cfg)
        self.evaluated: list[str] = []

    def _evaluate(self, batches, *args):
        self.evaluated.append("test" if batches is self.test_data_loader else "val")
        return super()._evaluate(batches, *args)


@pytest.mark.parametrize("num_epochs", [1, 3])
def test_stock_leaves_out_the_last_step_and_ours_trains_every_one(world, tmp_path, num_epochs):
    """T1: counted at the optimizer, stock BasicTS trains one step fewer than there are."""
    stock, ours = Watch(), Watch()
    run_stock(world, tmp_path / "stock", stock, num_epochs=num_epochs)
    run_ours(world, tmp_path / "ours", ours, num_epochs=num_epochs)
    assert stock.steps == num_epochs * STEPS_PER_EPOCH - 1
    assert ours.steps == num_epochs * STEPS_PER_EPOCH
    assert ours.epochs == list(range(1, num_epochs + 1))


def test_one_batch_per_epoch_crashes_stock_and_trains_in_ours(world, tmp_path):
    """T2: with one batch an epoch, stock counts the first epoch as the second and looks for a file of the first."""
    with pytest.raises(FileNotFoundError, match=r"_1\.pt"):
        run_stock(world, tmp_path / "stock", train_batch_size=160, num_epochs=3)
    ours = Watch()
    runner = run_ours(world, tmp_path / "ours", ours, train_batch_size=160, num_epochs=3)
    assert (ours.epochs, ours.steps) == ([1, 2, 3], 3)
    assert [entry["epoch"] for entry in runner.history] == [1, 2, 3]


def test_a_model_without_training_never_ends_on_stock_and_ends_in_ours(world, tmp_path):
    """T3: with NoBP, which BasicTS's own HI requires, stock never counts a step; ours takes the epoch it was given."""

    def settings() -> dict:
        return {
            "model": HI,
            "model_config": HIConfig(input_len=INPUT_LEN, output_len=OUTPUT_LEN),
            "num_epochs": 1,
            "callbacks": [NoBP()],
        }

    stock, ours = Watch(most_epochs=4), Watch(most_epochs=4)
    with pytest.raises(Interrupted):
        run_stock(world, tmp_path / "stock", stock, **settings())
    assert stock.epochs == [1, 1, 1, 1]
    runner = run_ours(world, tmp_path / "ours", ours, **settings())
    assert (ours.epochs, ours.steps) == ([1], 0)
    assert runner.history[0]["loss"] > 0
    assert runner.test_result["average"]["MAE"] > 0


def test_a_fitted_model_is_fitted_once(world, tmp_path):
    """T3: a model with ``fit`` sees the training split once, whole; a relaunch evaluates what was fitted."""
    before = NodeMean.fits
    first, second = (run_ours(world, tmp_path, model=NodeMean, save_results=True) for _ in range(2))
    assert NodeMean.fits == before + 1
    assert first.test_result == second.test_result
    means = np.nanmean(readings(world, "train")[0], axis=0)
    forecast = np.load(tmp_path / "test_results" / "prediction.npy")
    np.testing.assert_allclose(forecast, np.broadcast_to(means, forecast.shape), rtol=1e-5)


def test_a_validation_interval_beyond_the_last_epoch_fails_on_stock_and_not_in_ours(world, tmp_path):
    """V1: stock ends without a best checkpoint to evaluate; ours always validates the last epoch."""
    with pytest.raises(OSError, match="Ckpt file does not exist"):
        run_stock(world, tmp_path / "stock", val_interval=5)
    runner = run_ours(world, tmp_path / "ours", val_interval=5)
    assert [entry["epoch"] for entry in runner.history if "val" in entry] == [2]
    assert runner.best_epoch == 2
    assert runner.test_result is not None


def test_validation_follows_its_interval_and_the_last_epoch(world, tmp_path):
    """V1: the last epoch is validated besides, not instead."""
    runner = run_ours(world, tmp_path, val_interval=2, num_epochs=5)
    assert [entry["epoch"] for entry in runner.history if "val" in entry] == [2, 4, 5]


def test_stock_tests_every_epoch_and_ours_once(world, tmp_path):
    """V2: stock measures the test set in every epoch by default; ours once, after training."""
    stock = Watch()
    run_stock(world, tmp_path / "stock", stock, num_epochs=3)
    assert stock.tests == 3 + 1
    runner = launch_training(our_config(world, tmp_path / "ours", num_epochs=3), Spy)
    assert runner.evaluated == ["val", "val", "val", "test"]


def test_horizon_errors_mix_in_validation_on_stock(world, tmp_path):
    """H1: the model never changes (lr 0), yet stock logs another test error in training than after it."""
    meter = HorizonMeter()
    runner = run_stock(world, tmp_path, callbacks=[meter], optimizer_params={"lr": 0.0, "weight_decay": 0.0})
    final = json.loads((Path(runner.ckpt_save_dir) / "test_metrics.json").read_text())["horizon_1"]["MAE"]
    assert meter.logged[-1] == final
    assert all(abs(logged - final) > 0.01 * final for logged in meter.logged[:-1])


def test_ours_trains_without_a_test_set(world, tmp_path):
    """H1, V2: nothing is read of the test set before training is over, so nothing of it can be mixed in."""
    for file in world.glob("test_*.npy"):
        file.unlink()
    runner = run_ours(world, tmp_path / "run", eval_after_train=False)
    assert len(runner.history) == 2
    assert runner.best_path.exists()


@pytest.mark.parametrize(
    ("callback", "expected"),
    [
        (GradAccumulation(2), "GradAccumulation acts within single steps"),
        (AddAuxiliaryLoss(["loss"]), "AddAuxiliaryLoss acts within single steps"),
        (GradientClipping(1.0), "the device is cpu; name a GPU"),
        (HorizonCurriculum(1, 1), "the device is cpu; name a GPU"),
    ],
)
def test_steps_that_a_recording_would_get_wrong_are_refused(world, tmp_path, callback, expected):
    """What runs on a GPU is in tests/gpu/test_gpu.py."""
    with pytest.raises(UserError, match=f"cuda_graphs=True: {expected}"):
        run_ours(world, tmp_path, callbacks=[callback], cuda_graphs=True)


def test_a_model_that_asks_for_the_step_is_not_recorded():
    with pytest.raises(UserError, match="forward asks for the step, which a recording repeats as it was"):
        refuse_unrecordable([], ["inputs", "step"], torch.device("cuda"))
    assert refuse_unrecordable([object()], ["inputs"], torch.device("cuda")) is None


class FakeGraph:
    """Stands for a CUDA graph where there is none: counts its replays."""

    replays = 0

    def replay(self) -> None:
        FakeGraph.replays += 1


def test_a_kind_of_step_runs_once_is_recorded_once_and_replayed_from_then_on(monkeypatch):
    monkeypatch.setattr(torch.cuda, "CUDAGraph", FakeGraph)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph: nullcontext())
    monkeypatch.setattr(FakeGraph, "replays", 0)
    weight, ran = torch.nn.Parameter(torch.ones(())), []

    def passes(batch):
        ran.append(len(batch["inputs"]))
        loss = (weight * batch["inputs"]).sum()
        loss.backward()
        return loss.detach()

    steps = RecordedSteps(passes, [weight])

    def step(size, group):
        steps({"inputs": torch.ones(size)}, group)
        assert weight.grad is not None
        weight.grad = None

    for size in (4, 4, 4, 3, 3, 4):
        step(size, group=12)
    assert (ran, FakeGraph.replays) == ([4, 4, 3, 3], 4)  # run, recorded; replayed with 4, 4, 3, 4
    for _ in range(3):
        step(4, group=1)
    assert (ran[4:], FakeGraph.replays) == ([4, 4], 6)
    steps({"inputs": torch.ones(4)}, 1)
    with pytest.raises(ValueError, match="recorded steps don't accumulate gradients"):
        steps({"inputs": torch.ones(4)}, 1)
