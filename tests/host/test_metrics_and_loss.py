"""N1, N2, L1 and the exactness of every score."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from basicts.runners.callback import BasicTSCallback

from stlora_ext.errors import UserError
from stlora_ext.host.metrics import METRICS, MaskedMAE, MetricSums

from . import toy
from .toy import HORIZONS, NUM_NODES, OUTPUT_LEN, Fragile, readings, run_ours, run_stock, windows, write_world

ALWAYS_NAN = {"model": Fragile, "model_settings": {"limit": -1e9}}
NAN_AT_SPIKE = {"model": Fragile, "model_settings": {"limit": 10.0}}


class FirstLoss(BasicTSCallback):
    """Keeps the loss that is differentiated first."""

    value = None

    def on_backward(self, runner, loss):
        if self.value is None:
            self.value = loss.item()


def stock_metrics(runner) -> dict:
    return json.loads((Path(runner.ckpt_save_dir) / "test_metrics.json").read_text())


def linear_forecast(runner, scaled_inputs: np.ndarray) -> np.ndarray:
    """The linear model's forecast in float64."""
    weight, bias = (tensor.double().numpy() for tensor in toy.weights(runner).values())
    return np.einsum("bin,oi->bon", scaled_inputs, weight) + bias[:, None]


# ---- N1 ------------------------------------------------------------------------------------------------


def test_nan_forecasts_score_zero_on_stock_and_are_refused_by_ours(world, tmp_path):
    """N1: a model that forecasts nothing but NaN is perfect on stock BasicTS; ours stops at its first step."""
    stock = run_stock(world, tmp_path / "stock", **ALWAYS_NAN)
    assert stock_metrics(stock)["overall"] == {"MAE": 0.0, "RMSE": 0.0, "MAPE": 0.0}
    with pytest.raises(UserError, match=r"training loss became nan in epoch 1, step 1 "):
        run_ours(world, tmp_path / "ours", **ALWAYS_NAN)
    assert not list((tmp_path / "ours").glob("*.pt"))


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("train", "training loss became nan in epoch 1"),
        ("val", "forecasts NaN or infinity (validating after epoch 1)"),
        ("test", "forecasts NaN or infinity (evaluating after epoch 2)"),
    ],
)
def test_a_nan_in_one_split_passes_on_stock_and_is_refused_by_ours(tmp_path, split, message):
    """N1: a few NaN forecasts, in any split, count as errors of 0 on stock BasicTS; ours names where they came up."""
    world = write_world(tmp_path / "data", spike_in=split)
    assert 0 < stock_metrics(run_stock(world, tmp_path / "stock", **NAN_AT_SPIKE))["overall"]["MAE"] < 1e5
    with pytest.raises(UserError) as error:
        run_ours(world, tmp_path / "ours", **NAN_AT_SPIKE)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "ours" / "test_metrics.json").exists()


def test_nan_training_loss_is_zero_on_stock_and_stays_nan_in_ours():
    """N1: stock's loss turns NaN into 0, so nothing notices a diverged model; ours lets it through."""
    from basicts.metrics.mae import masked_mae

    forecast, target = torch.tensor([[torch.nan, torch.nan]]), torch.ones(1, 2)
    mask = torch.ones(1, 2, dtype=torch.bool)
    assert masked_mae(forecast, target, mask) == 0
    assert MaskedMAE()(forecast, target, mask).isnan()


def test_a_diverging_run_is_refused_naming_its_learning_rate(world, tmp_path):
    """N1: forecasts too large for a float are no result either."""
    with pytest.raises(UserError, match=r"training loss became (inf|nan) in epoch 1, step \d+ \(lr 1e\+36\)"):
        run_ours(world, tmp_path, optimizer_params={"lr": 1e36})


# ---- N2 ------------------------------------------------------------------------------------------------


def test_nan_in_the_data_scores_zero_on_stock_and_is_skipped_by_ours(tmp_path):
    """N2: missing readings stored as NaN, BasicTS's own default, poison stock's statistics; ours leaves them out."""
    world = write_world(tmp_path / "data", null_val=np.nan)
    stock = run_stock(world, tmp_path / "stock", null_val=np.nan)
    assert stock.scaler.stats["mean"].isnan().all()
    assert stock_metrics(stock)["overall"]["MAE"] == 0.0
    ours = run_ours(world, tmp_path / "ours", null_val=np.nan)
    values, there = readings(world, "train", np.nan)
    assert ours.scaler.stats["mean"].item() == pytest.approx(values[there].mean(), rel=1e-6)
    assert 20 < ours.test_result["average"]["MAE"] < 100


# ---- L1 ------------------------------------------------------------------------------------------------


def test_the_training_loss_is_normalised_on_stock_and_in_original_units_in_ours(world, tmp_path):
    """L1: stock differentiates the error of normalised values; ours that of the readings, as the papers do."""
    first, settings = FirstLoss(), {"optimizer_params": {"lr": 0.0, "weight_decay": 0.0}, "num_epochs": 1}
    stock = run_stock(
        world, tmp_path / "stock", train_batch_size=80, train_data_shuffle=False, callbacks=[first], **settings
    )
    values, there = readings(world, "train")
    mean, std = np.nan_to_num(values).mean(0), np.nan_to_num(values).std(0)
    inputs, targets = (part[:80] for part in windows((values - mean) / std))
    normalised = linear_forecast(stock, np.nan_to_num(inputs))
    assert first.value == pytest.approx(toy.scores(normalised, targets)["MAE"], rel=1e-5)
    assert toy.scores(normalised * std + mean, targets * std + mean)["MAE"] > 10 * first.value

    first = FirstLoss()
    ours = run_ours(world, tmp_path / "ours", train_batch_size=160, callbacks=[first], **settings)
    mean, std = values[there].mean(), values[there].std()
    inputs, targets = windows(values)
    forecast = linear_forecast(ours, np.nan_to_num((inputs - mean) / std)) * std + mean
    assert first.value == pytest.approx(toy.scores(forecast, targets)["MAE"], rel=1e-6)
    assert ours.history[0]["loss"] == pytest.approx(first.value, rel=1e-6)


def test_the_loss_averages_over_the_targets_that_are_there():
    """L1: missing targets weigh nothing, and a batch without any gives 0 and no NaN."""
    forecast, target = torch.tensor([[3.0, 50.0]]), torch.tensor([[1.0, 0.0]])
    assert MaskedMAE()(forecast, target, torch.tensor([[True, False]])) == 2
    assert MaskedMAE()(forecast, target, torch.tensor([[False, False]])) == 0


# ---- exactness -----------------------------------------------------------------------------------------


@pytest.fixture(params=[0.0, np.nan], ids=["zero is missing", "NaN is missing"])
def measured(request, tmp_path):
    """A finished run of ours with its saved forecasts, and the true targets cut from the raw file."""
    world = write_world(tmp_path / "data", null_val=request.param)
    runner = run_ours(world, tmp_path / "run", null_val=request.param, save_results=True)
    targets = windows(readings(world, "test", request.param)[0])[1]
    per_batch = [np.isnan(batch).sum() for batch in np.array_split(targets, [toy.BATCH_SIZE])]
    assert per_batch[0] != per_batch[1] > 0
    return runner, np.load(tmp_path / "run" / "test_results" / "prediction.npy"), targets, world, request.param


def test_every_score_equals_a_float64_computation(measured):
    """Overall, per horizon and per node, MAE, RMSE and MAPE agree to 1e-6 with numpy on the saved forecasts."""
    runner, forecast, targets, *_ = measured
    result = runner.test_result
    assert result["average"] == pytest.approx(toy.scores(forecast, targets), rel=1e-6)
    assert result["num_targets"] == (~np.isnan(targets)).sum()
    assert len(result["horizons"]) == OUTPUT_LEN
    for step, found in enumerate(result["horizons"]):
        assert found == pytest.approx(toy.scores(forecast[:, step], targets[:, step]), rel=1e-6)
    for node in range(NUM_NODES):
        found = {metric: result["nodes"][metric][node] for metric in METRICS}
        assert found == pytest.approx(toy.scores(forecast[..., node], targets[..., node]), rel=1e-6)


def test_the_metrics_file_says_the_same(measured):
    """``test_metrics.json`` keeps BasicTS's form: overall and the horizons asked for."""
    runner, *_ = measured
    written = json.loads((runner.run_dir / "test_metrics.json").read_text())
    assert written == {
        "overall": runner.test_result["average"],
        **{f"horizon_{step}": runner.test_result["horizons"][step - 1] for step in HORIZONS},
    }


def test_the_forecasts_are_those_of_the_best_weights(measured):
    """The forecasts that are measured come from the model's weights and the scaler's statistics, nothing else."""
    runner, forecast, _, world, null_val = measured
    inputs, _ = windows(readings(world, "test", null_val)[0])
    values, there = readings(world, "train", null_val)
    mean, std = values[there].mean(), values[there].std()
    expected = linear_forecast(runner, np.nan_to_num((inputs - mean) / std)) * std + mean
    np.testing.assert_allclose(forecast, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 7, 60, 1000])
def test_scores_do_not_depend_on_the_evaluation_batch(measured, tmp_path, batch_size):
    """Sums over the whole set: batches of one window, some with no target at all, give the same scores."""
    runner, _, _, world, null_val = measured
    other = run_ours(world, tmp_path / "other", null_val=null_val, val_batch_size=batch_size)
    assert other.test_result["average"] == pytest.approx(runner.test_result["average"], rel=1e-6)
    assert [entry["val"] for entry in other.history] == [
        pytest.approx(entry["val"], rel=1e-6) for entry in runner.history
    ]


def test_mape_skips_targets_nearer_to_zero_than_5e_5():
    """A true reading of almost nothing has no meaningful relative error; its absolute error still counts."""
    targets = torch.tensor([4.9e-5, -4.9e-5, 5.1e-5, -2.0, 0.0, 8.0]).view(1, 1, 6)
    sums = MetricSums(1, 6, torch.device("cpu"))
    sums.update(targets + 1.0, targets, torch.tensor([True] * 5 + [False]).view(1, 1, 6))
    average = sums.average()
    assert average["MAE"] == pytest.approx(1.0)
    assert average["MAPE"] == pytest.approx(100 * (1 / 5.1e-5 + 1 / 2) / 2, rel=1e-5)


def test_a_score_without_targets_is_absent():
    """A node that is missing throughout has no error, not an error of 0."""
    mask = torch.tensor([[[True, False]]])
    sums = MetricSums(1, 2, torch.device("cpu"))
    sums.update(torch.tensor([[[3.0, 9.0]]]), torch.tensor([[[1.0, 0.0]]]), mask)
    assert sums.result()["nodes"] == {"MAE": [2.0, None], "RMSE": [2.0, None], "MAPE": [200.0, None]}
    assert sums.average() == {"MAE": 2.0, "RMSE": 2.0, "MAPE": 200.0}
