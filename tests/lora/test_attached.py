"""What an attached model offers: times as inputs, the adapter switched off, the backbone given back."""

import copy

import pytest
import torch

from stlora_ext import STLoRAConfig, attach
from stlora_ext.config.registry import backbones
from stlora_ext.errors import UserError
from tests.lora.toy import NODES, backbone, forecast, plain, trained, windows

TIMES = {"time_of_day": True, "day_of_week": True}


def at(share: float, size: int = 3) -> torch.Tensor:
    """Time stamps whose last step is at ``share`` of the day."""
    stamps = torch.zeros(size, 12, 2)
    stamps[:, :, 0] = share
    return stamps


@pytest.mark.parametrize("name", ["LSTM", "STAE", "VAR"])
def test_the_times_reach_the_adapter_whether_or_not_the_backbone_takes_them(name):
    model = trained(name, "node", time_of_day=True).eval()
    corrections = []
    for share in (0.0, 0.25):
        stamps = at(share)
        inputs = {"inputs_timestamps": stamps}
        with model.disable_adapter():
            base = model(windows(), **inputs)
        corrections.append(model(windows(), **inputs) - base)
    assert (corrections[0] - corrections[1]).abs().max() > 1e-3


def test_the_day_begins_where_it_ends():
    """Midnight from either side: the angle's sine and cosine don't jump."""
    model = trained("LSTM", "node", time_of_day=True).eval()
    before, after = (model(windows(), inputs_timestamps=at(share)) for share in (1 - 1e-6, 0.0))
    torch.testing.assert_close(before, after, atol=1e-4, rtol=1e-4)


def test_the_part_of_the_times_is_conv2d_of_their_channels():
    """Against X with the four channels repeated for every node."""
    adapter = trained("LSTM", "vector", **TIMES).adapter.eval()
    x, stamps = windows(steps=24), torch.rand(3, 2)
    angle = 2 * torch.pi * stamps
    channels = torch.cat([angle.sin(), angle.cos()], dim=1).unsqueeze(2).expand(-1, -1, NODES)
    whole = copy.deepcopy(adapter)
    whole.conv_weight = torch.nn.Parameter(torch.cat([adapter.conv_weight, adapter.time_weight], dim=1))
    whole.cycles = []
    torch.testing.assert_close(adapter(x, stamps), whole(torch.cat([x, channels], dim=1)), atol=1e-5, rtol=1e-5)


def test_absent_times_are_refused():
    with pytest.raises(UserError, match="give inputs_timestamps"):
        trained("LSTM", "node", day_of_week=True)(windows())


@pytest.mark.parametrize("name", backbones())
def test_with_the_adapter_switched_off_the_forecast_is_the_backbones(name):
    model = trained(name, "node").eval()
    own = forecast(model.backbone, windows())
    with model.disable_adapter():
        assert torch.equal(forecast(model, windows()), own)
    assert not torch.equal(forecast(model, windows()), own)


def test_the_adapter_is_on_again_after_an_error():
    model = trained("LSTM", "node").eval()
    before = model(windows())
    with pytest.raises(RuntimeError), model.disable_adapter():
        raise RuntimeError
    assert torch.equal(model(windows()), before)


def test_detaching_gives_the_backbone_back_as_it_was():
    base = backbone("LSTM")
    base.input_projection.bias.requires_grad_(False)
    before = copy.deepcopy(base.state_dict())
    model = attach(base, plain("node"), NODES)
    model.freeze_backbone()
    model.freeze_backbone()
    given = model.train().detach()
    assert given is base and given.training
    assert [name for name, p in given.named_parameters() if not p.requires_grad] == ["input_projection.bias"]
    assert all(torch.equal(value, before[name]) for name, value in given.state_dict().items())
    assert attach(given, plain("node"), NODES).backbone is base


def test_merging_into_the_backbone_is_refused_with_the_reason():
    with pytest.raises(UserError, match="is in none of its weights"):
        trained("LSTM", "none").detach(merge=True)


def test_times_survive_a_json_round_trip():
    config = STLoRAConfig(**TIMES)
    assert STLoRAConfig.from_json(config.to_json()) == config and config.cycles == [0, 1]
