"""One checker for every registered backbone."""

import io

import numpy as np
import pytest
import torch

from stlora_ext.config import registry
from stlora_ext.config.registry import backbones, get_backbone, models, register
from stlora_ext.errors import UserError
from stlora_ext.runs.build import build_model
from tests.support.small import IN_ORDER, NODES, data_folder, forecast, meta, permute_nodes, small_experiment, windows
from tests.support.small import small_backbone as build

# What BasicTS's implementations leave unused, and whose forecast of a window depends on the others of its batch.
UNUSED = {"StemGNN": [f"stock_block.1.backcast_short_cut.{part}" for part in ("weight", "bias")]}
MIXING = {"StemGNN": "the graph is the mean over the batch", "TimesNet": "the batch chooses the periods"}


@pytest.mark.parametrize("name", backbones())
class TestEveryBackbone:
    def test_forecasts_have_the_promised_shape_for_any_batch(self, name):
        model = build(name).eval()
        for size in (1, 5):
            assert forecast(model, windows(size)).shape == (size, 12, NODES)

    def test_gradients_reach_every_parameter(self, name):
        model = build(name)
        parameters = dict(model.named_parameters())
        if parameters:
            (forecast(model, windows()) - 1.0).square().mean().backward()
        idle = [key for key, value in parameters.items() if value.grad is None or not value.grad.any()]
        assert idle == UNUSED.get(name, [])

    def test_a_state_dict_round_trip_keeps_the_forecast(self, name):
        model, file = build(name).eval(), io.BytesIO()
        torch.save(model.state_dict(), file)
        file.seek(0)
        other = build(name).eval()
        for tensor in other.state_dict().values():
            tensor.zero_()
        other.load_state_dict(torch.load(file, weights_only=True))
        assert torch.equal(forecast(other, windows()), forecast(model, windows()))

    def test_eval_is_deterministic_and_a_batch_does_not_mix_its_windows(self, name):
        model, inputs = build(name).eval(), windows(4)
        assert torch.equal(forecast(model, inputs), forecast(model, inputs))
        alone, among_others = forecast(model, inputs[2:3]), forecast(model, inputs)[2:3]
        if name not in MIXING:
            torch.testing.assert_close(alone, among_others, rtol=1e-4, atol=1e-5)

    def test_permuting_the_nodes_permutes_the_forecast(self, name):
        model, inputs = build(name).eval(), windows()
        order = torch.randperm(NODES, generator=torch.Generator().manual_seed(5))
        expected = forecast(model, inputs)[:, :, order]
        permute_nodes(model, order)
        permuted = forecast(model, inputs[:, :, order])
        assert torch.allclose(permuted, expected, rtol=1e-4, atol=1e-5) == (name not in IN_ORDER)

    def test_supports_are_no_part_of_a_checkpoint(self, name):
        if name == "LightTS":
            pytest.skip("its weights between the nodes are a matrix of that shape")
        assert not [key for key, value in build(name).state_dict().items() if value.shape == (NODES, NODES)]

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
    def test_it_moves_to_the_gpu_and_forecasts_the_same(self, name):
        model = build(name).eval()
        expected = forecast(model, windows())
        torch.testing.assert_close(forecast(model.cuda(), windows().cuda()).cpu(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["STGCN", "GWNet", "D2STGNN"])
def test_a_data_set_without_a_graph_is_refused_by_name(name):
    with pytest.raises(UserError, match=f"SMALL/{name}: .*--graph"):
        build_model(small_experiment(name), meta(has_graph=False), data_folder(NODES))


@pytest.mark.parametrize("name", ["GWNet", "D2STGNN"])
def test_a_graph_is_not_needed_where_the_config_says_so(name):
    exp = small_experiment(name).override({"model.use_graph": False})
    model = build_model(exp, meta(has_graph=False), data_folder(NODES)).eval()
    assert torch.isfinite(forecast(model, windows())).all()


def test_ha_is_the_mean_of_the_readings_that_are_there():
    model = build("HA")
    inputs, mask = windows(2), torch.rand(2, 12, NODES, generator=torch.Generator().manual_seed(2)) > 0.5
    mask[0, :, 3] = False
    forecast = model(inputs.masked_fill(~mask, 0.0), mask)
    expected = np.nanmean(np.where(mask, inputs, np.nan)[1, :, 2])
    assert forecast[1, 0, 2].item() == pytest.approx(expected, abs=1e-6)
    assert forecast[0, 5, 3] == model.node_mean[3] != 0
    assert (forecast == forecast[:, :1]).all()


def test_unknown_models_are_answered_with_the_nearest():
    with pytest.raises(UserError, match="unknown model 'LSTN': did you mean 'LSTM'"):
        get_backbone("LSTN")


def test_models_are_listed_with_wildcards():
    assert models("ST*") == ["STGCN", "STGCN+", "STAE", "STAE+", "STID", "STID+"]
    assert set(models()) == set(backbones()) | {f"{name}+" for name in backbones()}


def test_replacing_a_registered_backbone_warns_with_both_names(monkeypatch):
    known = get_backbone("HA")
    monkeypatch.setattr(registry, "_BACKBONES", dict(registry._BACKBONES))  # as it was, for the tests after this one
    with pytest.warns(UserWarning, match=r"HA is replaced by .*Linear"):
        register("HA", torch.nn.Linear, known.config)
    with pytest.warns(UserWarning, match="is replaced by"):
        register("HA", known.arch, known.config, known.training, fitted=True, deterministic=True)
