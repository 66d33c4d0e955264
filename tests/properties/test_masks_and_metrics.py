"""What is missing, what the scaler does with it, and scores that are those of float64, however they are batched."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stlora_ext.data.prepared import missing
from stlora_ext.host.metrics import METRICS, MaskedMAE, MetricSums
from stlora_ext.host.scaler import GlobalZScoreScaler, observed
from tests.support.profile import steady

NULLS = st.sampled_from([math.nan, 0.0, -1.0, 99.5])
NEAR = st.sampled_from([0.0, 4e-5, -4e-5, 1.5e-4, -1.5e-4, math.nan])
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(1, 5))


def batch(shape, seed, there):
    """Forecasts, targets (some 0, some tiny) and a mask of that share."""
    generator = np.random.default_rng(seed)
    targets = generator.normal(0, 100, shape).astype(np.float32)
    targets[generator.random(shape) < 0.2] = 0
    targets[generator.random(shape) < 0.1] = 4e-5
    forecast = (targets + generator.normal(0, 10, shape)).astype(np.float32)
    return tuple(map(torch.from_numpy, (forecast, targets, generator.random(shape) < there)))


def sums(shape, *batches):
    """The scores of batches."""
    result = MetricSums(*shape[1:], torch.device("cpu"))
    for each in batches:
        result.update(*each)
    return result


def reference(forecast, targets, mask):
    """MAE, RMSE and MAPE by numpy in float64."""
    error = np.abs(forecast.numpy() - targets.numpy()).astype(np.float64)
    there = mask.numpy()
    size = np.abs(targets.numpy())
    counted = there & (size >= np.float32(5e-5))
    return {
        "MAE": error[there].mean() if there.any() else None,
        "RMSE": math.sqrt(np.square(error)[there].mean()) if there.any() else None,
        "MAPE": 100 * (error[counted] / size[counted]).mean() if counted.any() else None,
    }


def same(ours, wanted, tolerance=1e-6):
    return all(
        ours[metric] == (None if wanted[metric] is None else pytest.approx(wanted[metric], rel=tolerance))
        for metric in METRICS
    )


@steady
@given(st.lists(st.tuples(st.booleans(), NEAR, st.floats(-1e4, 1e4, width=32)), min_size=1, max_size=30), NULLS)
def test_missing_is_nan_or_near_the_null_value_in_numpy_and_in_torch(cells, null_val):
    centre = 0.0 if math.isnan(null_val) else null_val
    values = np.array([centre + offset if near else free for near, offset, free in cells], np.float32)
    expected = np.isnan(values)
    if not math.isnan(null_val):
        expected |= np.abs(values - np.float32(null_val)) < np.float32(5e-5)
    assert np.array_equal(missing(values, null_val), expected)
    assert np.array_equal(~observed(torch.from_numpy(values), null_val).numpy(), expected)


@steady
@given(SHAPES, st.integers(0, 999), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_scores_are_those_of_float64(shape, seed, there):
    data = batch(shape, seed, there)
    result = sums(shape, data).result()
    assert same(result["average"], reference(*data)) and result["num_targets"] == int(data[2].sum())
    for step, scores in enumerate(result["horizons"]):
        assert same(scores, reference(*(part[:, step] for part in data)))
    for node in range(shape[2]):
        scores = {metric: result["nodes"][metric][node] for metric in METRICS}
        assert same(scores, reference(*(part[:, :, node] for part in data)))


@steady
@given(SHAPES, st.integers(0, 999), st.integers(1, 6))
def test_the_batch_size_changes_no_score(shape, seed, size):
    data = batch(shape, seed, 0.6)
    parts = zip(*(part.split(size) for part in data), strict=True)
    whole, parted = sums(shape, data).result(), sums(shape, *parts).result()
    assert same(whole["average"], parted["average"], 1e-12) and whole["num_targets"] == parted["num_targets"]
    assert all(same(a, b, 1e-12) for a, b in zip(whole["horizons"], parted["horizons"], strict=True))


@steady
@given(SHAPES, st.integers(0, 999))
def test_permuting_the_nodes_permutes_their_scores_alone(shape, seed):
    data = batch(shape, seed, 0.6)
    order = torch.randperm(shape[2], generator=torch.Generator().manual_seed(seed))
    result, moved = sums(shape, data).result(), sums(shape, [part[:, :, order] for part in data]).result()
    assert same(result["average"], moved["average"], 1e-12)
    assert all(moved["nodes"][metric] == [result["nodes"][metric][node] for node in order] for metric in METRICS)


@steady
@given(SHAPES, st.integers(0, 999), st.sampled_from([0.0, 0.3, 1.0]))
def test_the_loss_is_the_mae_of_what_is_there_and_0_without_any(shape, seed, there):
    data = batch(shape, seed, there)
    assert MaskedMAE()(*data).item() == pytest.approx(reference(*data)["MAE"] or 0, rel=1e-5)


@steady
@given(st.integers(2, 40), st.integers(1, 4), st.integers(0, 999), NULLS, st.booleans())
def test_the_scaler_inverts_itself_and_a_missing_reading_is_0(rows, nodes, seed, null_val, each):
    generator = np.random.default_rng(seed)
    values = generator.normal(300, 40, (rows, nodes)).astype(np.float32)
    gone = generator.random(values.shape) < 0.3
    gone[0] = False
    values[gone] = null_val
    data = torch.from_numpy(values)
    mask = observed(data, null_val)
    scaler = GlobalZScoreScaler(each, True, null_val)
    scaler.fit(values)
    scaled = scaler.transform(data, mask)
    assert torch.isfinite(scaled).all() and (scaled[~mask] == 0).all()
    back = scaler.inverse_transform(scaled, mask)
    assert torch.allclose(back[mask], data[mask], rtol=1e-5) and (back[~mask] == 0).all()
    assert abs(scaled[mask].double().mean().item()) < 1e-4
