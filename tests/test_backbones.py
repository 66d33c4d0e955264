"""One checker for every registered backbone."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch

import experiments.models  # noqa: F401 (registers the backbones)
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.experiment import experiment
from stlora_ext.registry import backbones, get_backbone, register
from stlora_ext.resolve import model_config

NODES = 7
META = Meta("TINY", 400, NODES, 5, 288, "2024-01-01", 0.0, 12, 12, {"train": 200, "val": 80, "test": 97}, [], False,
            "sha256:0")


def build(name):
    torch.manual_seed(0)
    exp = experiment("TINY", name)
    model = exp.backbone.arch(model_config(exp, META, Path()))
    if exp.backbone.fitted:
        model.fit(torch.randn(50, NODES), torch.rand(50, NODES) > 0.1)
    return model


def batch(size):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(size, 12, NODES, generator=generator)


@pytest.mark.parametrize("name", backbones())
class TestEveryBackbone:
    def test_forecasts_have_the_promised_shape_for_any_batch(self, name):
        model = build(name).eval()
        for size in (1, 5):
            assert model(batch(size)).shape == (size, 12, NODES)

    def test_gradients_reach_every_parameter(self, name):
        model = build(name)
        parameters = dict(model.named_parameters())
        if parameters:
            model(batch(3)).abs().mean().backward()
        assert [key for key, value in parameters.items() if value.grad is None or not value.grad.any()] == []

    def test_a_state_dict_round_trip_keeps_the_forecast(self, name):
        model, file = build(name).eval(), io.BytesIO()
        torch.save(model.state_dict(), file)
        file.seek(0)
        other = build(name).eval()
        for tensor in other.state_dict().values():
            tensor.zero_()
        other.load_state_dict(torch.load(file, weights_only=True))
        assert torch.equal(other(batch(2)), model(batch(2)))

    def test_eval_is_deterministic_and_a_batch_does_not_mix_its_windows(self, name):
        model, inputs = build(name).eval(), batch(4)
        assert torch.equal(model(inputs), model(inputs))
        torch.testing.assert_close(model(inputs[2:3]), model(inputs)[2:3], rtol=1e-5, atol=1e-6)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
    def test_it_moves_to_the_gpu_and_forecasts_the_same(self, name):
        model = build(name).eval()
        expected = model(batch(2))
        torch.testing.assert_close(model.cuda()(batch(2).cuda()).cpu(), expected, rtol=1e-4, atol=1e-4)


def test_ha_is_the_mean_of_the_readings_that_are_there():
    model = build("HA")
    inputs, mask = batch(2), torch.rand(2, 12, NODES, generator=torch.Generator().manual_seed(2)) > 0.5
    mask[0, :, 3] = False
    forecast = model(inputs.masked_fill(~mask, 0.0), mask)
    expected = np.nanmean(np.where(mask, inputs, np.nan)[1, :, 2])
    assert forecast[1, 0, 2].item() == pytest.approx(expected, abs=1e-6)
    assert forecast[0, 5, 3] == model.node_mean[3] != 0
    assert (forecast == forecast[:, :1]).all()


def test_unknown_models_are_answered_with_the_nearest():
    with pytest.raises(UserError, match="unknown model 'LSTN': did you mean 'LSTM'"):
        get_backbone("LSTN")


def test_replacing_a_registered_backbone_warns_with_both_names():
    known = get_backbone("HA")
    with pytest.warns(UserWarning, match=r"HA is replaced by .*Linear"):
        register("HA", torch.nn.Linear, known.config)
    with pytest.warns(UserWarning, match="is replaced by"):
        register("HA", known.arch, known.config, known.training, fitted=True, deterministic=True)
