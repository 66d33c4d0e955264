"""The weights of new sensors, fitted with everything else frozen."""

from dataclasses import replace

import pytest
import torch

from stlora_ext.lora import fit_rows as fit_rows_module
from stlora_ext.lora.fit_rows import Readings, fit_rows, mean_rows, with_rows
from stlora_ext.lora.predictor import Predictor
from stlora_ext.lora.settings import STLoRAConfig

KNOWN, NEW, WINDOWS = 9, 3, 400
CONFIG = STLoRAConfig(width=8, num_embeddings=3, time_of_day=True, layers=1)


def known(config=CONFIG):
    """A predictor whose rows differ and matter."""
    predictor = Predictor(config, KNOWN)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in predictor.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return predictor.eval()


def readings(predictor, config, rows):
    """Windows of new sensors whose rows are ``rows``, with nothing but the correction between forecast and target."""
    generator = torch.Generator().manual_seed(2)
    draw = Readings(
        torch.randn(WINDOWS, 12, NEW, generator=generator),
        torch.randn(WINDOWS, 12, NEW, generator=generator),
        torch.zeros(WINDOWS, 12, NEW),
        torch.rand(WINDOWS, 12, NEW, generator=generator) < 0.9,
        torch.rand(WINDOWS, 2, generator=generator),
    )
    with torch.no_grad():
        correction = with_rows(predictor, config, rows, NEW)(draw.seen(config.x), draw.stamps)
    return replace(draw, targets=(draw.forecasts + correction) * draw.mask)


def true_rows(predictor):
    generator = torch.Generator().manual_seed(3)
    return [
        own.mean(dim=0) + 0.3 * torch.randn(NEW, *own.shape[1:], generator=generator) for own in predictor.per_node()
    ]


@pytest.mark.parametrize("sharing", ["embedding", "vector", "node"])
def test_a_fit_finds_the_rows_that_made_the_readings(sharing):
    config = replace(CONFIG, sharing=sharing)
    predictor = known(config)
    true = true_rows(predictor)
    seen = readings(predictor, config, true)

    def error(rows):
        with torch.no_grad():
            correction = with_rows(predictor, config, rows, NEW)(seen.seen(config.x), seen.stamps)
        return float(((seen.forecasts + correction - seen.targets).abs() * seen.mask).mean())

    fitted = error(fit_rows(predictor, config, seen, 0.0, 100))
    assert fitted < 0.05 * error([mean.expand(NEW, *mean.shape) for mean in mean_rows(predictor)])


def test_windows_are_taken_in_parts_that_change_nothing(monkeypatch):
    predictor = known()
    seen = readings(predictor, CONFIG, true_rows(predictor))
    whole = fit_rows(predictor, CONFIG, seen, 1e-3, 20)
    monkeypatch.setattr(fit_rows_module, "_CELLS", 7 * NEW)  # 400 windows aren't parts of 7
    parts = fit_rows(predictor, CONFIG, seen, 1e-3, 20)
    assert all(torch.allclose(one, two, atol=1e-6) for one, two in zip(whole, parts, strict=True))


def test_a_strong_ridge_keeps_the_mean():
    predictor = known()
    seen = readings(predictor, CONFIG, true_rows(predictor))
    for row, mean in zip(fit_rows(predictor, CONFIG, seen, 1e6, 30), mean_rows(predictor), strict=True):
        assert torch.allclose(row, mean.expand_as(row), atol=1e-4)


def test_without_a_window_the_rows_are_the_mean():
    predictor = known()
    seen = readings(predictor, CONFIG, true_rows(predictor)).rows(slice(0, 0))
    for row, mean in zip(fit_rows(predictor, CONFIG, seen, 0.1, 30), mean_rows(predictor), strict=True):
        assert torch.equal(row, mean.expand_as(row))


def test_the_mean_without_a_sensor_is_that_of_the_others():
    predictor = known()
    for rows, means in zip(predictor.per_node(), mean_rows(predictor, [2, 5]), strict=True):
        others = torch.cat([rows[:5], rows[6:]]).double().mean(dim=0)
        assert torch.allclose(means[1], others, atol=1e-12)


def test_missing_targets_count_for_nothing():
    predictor = known()
    seen = readings(predictor, CONFIG, true_rows(predictor))
    hidden = replace(seen, targets=torch.where(seen.mask, seen.targets, torch.tensor(1e3)))
    for one, two in zip(
        fit_rows(predictor, CONFIG, seen, 1e-3, 20), fit_rows(predictor, CONFIG, hidden, 1e-3, 20), strict=True
    ):
        assert torch.equal(one, two)


def test_nothing_but_rows_is_touched_and_a_fit_repeats_to_the_bit():
    predictor = known()
    before = {name: tensor.clone() for name, tensor in predictor.state_dict().items()}
    seen = readings(predictor, CONFIG, true_rows(predictor))
    fits = [fit_rows(predictor, CONFIG, seen, 1e-3, 20) for _ in range(2)]
    assert all(torch.equal(one, two) for one, two in zip(*fits, strict=True))
    assert all(torch.equal(before[name], tensor) for name, tensor in predictor.state_dict().items())
