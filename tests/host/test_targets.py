"""K12: what is to be forecast is known in training alone."""

import numpy as np
import pytest
import torch
from torch import nn

from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.host.launcher import launch_training
from stlora_ext.lora.model import attach
from stlora_ext.lora.settings import STLoRAConfig
from stlora_ext.runs import adapter_runner as lora_runner
from stlora_ext.runs.adapter_runner import STLoRAForecastingConfig, STLoRARunner
from stlora_ext.runs.forecast import forecast_windows

from .toy import INPUT_LEN, NUM_NODES, OUTPUT_LEN, LinearConfig, readings, run_ours, scores, settings, windows


class Leak(nn.Module):
    """Forecasts the targets that it is given, in training and elsewhere, and notes with what it was called."""

    calls: list[dict] = []  # noqa: RUF012 (emptied by every test)

    def __init__(self, config: LinearConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(
        self,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        targets_mask: torch.Tensor | None = None,
        epoch: int | None = None,
        train: bool = False,
    ) -> torch.Tensor:
        Leak.calls.append(
            {
                "taught": self.training,
                "zeros": not targets.any(),
                "mask": targets_mask is not None,
                "epoch": epoch,
                "train": train,
            }
        )
        return targets * self.weight


class Demanding(Leak):
    """Can't do without the targets' mask."""

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor, targets_mask: torch.Tensor) -> torch.Tensor:
        return targets * targets_mask * self.weight


@pytest.fixture(autouse=True)
def dirty_memory(monkeypatch):
    """Memory that nobody has written holds something."""
    monkeypatch.setattr(torch, "empty_like", lambda tensor, **_: torch.full_like(tensor, 7.0))
    Leak.calls = []


def test_a_forecast_that_leaks_its_targets_has_the_error_of_scaled_zeros(world, tmp_path):
    """In validation and test, as where a forecast is made of readings alone; in training the leak is perfect."""
    runner = run_ours(world, tmp_path, model=Leak, num_epochs=1, optimizer_params={"lr": 0.0, "weight_decay": 0.0})
    values, there = readings(world, "train")
    mean = values[there].mean()
    for split, measured in (("val", runner.history[0]["val"]), ("test", runner.test_result["average"])):
        targets = windows(readings(world, split)[0])[1]
        expected = scores(np.full(targets.shape, mean), targets)
        assert {name: measured[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    assert runner.history[0]["loss"] == pytest.approx(0, abs=1e-3)

    inputs, targets = windows(np.load(world / "test_data.npy"))
    meta = Meta("WORLD", 0, NUM_NODES, 60, 24, "2024-01-01", 0.0, INPUT_LEN, OUTPUT_LEN, {}, [], False, "")
    forecast = forecast_windows(
        runner.model, runner.scaler.stats, meta, inputs, np.zeros((len(inputs), INPUT_LEN + OUTPUT_LEN, 2), np.float32)
    )
    predicted = scores(forecast, np.where(targets == 0, np.nan, targets))
    assert {name: runner.test_result["average"][name] for name in predicted} == pytest.approx(predicted, rel=1e-5)


def test_targets_and_their_mask_are_handed_over_in_training_alone(world, tmp_path):
    run_ours(world, tmp_path, model=Leak, num_epochs=1)
    taught = {"taught": True, "zeros": False, "mask": True, "epoch": 1, "train": True}
    unknown = {"taught": False, "zeros": True, "mask": False, "epoch": None, "train": False}
    assert {tuple(call.items()) for call in Leak.calls} == {tuple(taught.items()), tuple(unknown.items())}


def test_a_model_that_demands_the_mask_is_refused_before_training(world, tmp_path):
    with pytest.raises(UserError, match="Demanding: its forward demands targets_mask.*targets_mask=None"):
        run_ours(world, tmp_path, model=Demanding)


@pytest.mark.parametrize("limit", [lora_runner.CACHE_LIMIT, 0], ids=["cached", "asked every time"])
def test_a_frozen_backbone_is_never_shown_the_targets(world, tmp_path, monkeypatch, limit):
    """Its forecasts in training are those of evaluation, whether or not they were made before the first epoch."""
    monkeypatch.setattr(lora_runner, "CACHE_LIMIT", limit)
    runner = launch_training(
        STLoRAForecastingConfig(
            **settings(world, tmp_path, model=Leak, num_epochs=2, optimizer_params={"lr": 1e-3}),
            protocol="adapt",
            adapter=STLoRAConfig(input_len=INPUT_LEN, output_len=OUTPUT_LEN),
            num_nodes=NUM_NODES,
        ),
        STLoRARunner,
    )
    assert runner.cached_forecasts == (limit > 0)
    assert {tuple(call.items()) for call in Leak.calls} == {
        tuple({"taught": False, "zeros": True, "mask": False, "epoch": None, "train": False}.items())
    }
    with torch.no_grad():
        alone = attach(runner.model.backbone, STLoRAConfig(input_len=INPUT_LEN, output_len=OUTPUT_LEN), NUM_NODES)
        assert not alone(torch.randn(2, INPUT_LEN, NUM_NODES), targets=torch.zeros(2, OUTPUT_LEN, NUM_NODES)).any()


def test_a_backbone_trained_with_its_adapter_is_shown_the_targets_in_training(world, tmp_path):
    launch_training(
        STLoRAForecastingConfig(
            **settings(world, tmp_path, model=Leak, num_epochs=1),
            protocol="joint",
            adapter=STLoRAConfig(input_len=INPUT_LEN, output_len=OUTPUT_LEN),
            num_nodes=NUM_NODES,
        ),
        STLoRARunner,
    )
    assert {(call["taught"], call["zeros"]) for call in Leak.calls} == {(True, False), (False, True)}
