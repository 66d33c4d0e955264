"""The adapter follows the backbone's device and floating-point type."""

import pytest
import torch
from torch import nn

from stlora_ext import STLoRAConfig, attach, load_adapter, merge, save_adapter
from stlora_ext.config.registry import backbones
from stlora_ext.lora.model import STLoRA
from stlora_ext.lora.settings import SHARINGS
from stlora_ext.weights import weights_fingerprint
from tests.lora.toy import NODES, backbone, forecast, plain, windows

TYPES = (torch.float64, torch.bfloat16, torch.float16)


class Steps(nn.Module):
    """A linear map over the steps, and an integer buffer before its parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(3, dtype=torch.int64))
        self.linear = nn.Linear(12, 12)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.linear(inputs.to(self.linear.weight.dtype).transpose(1, 2)).transpose(1, 2)


class Scaled(nn.Module):
    """No parameters: floating-point and integer buffers."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(3, dtype=torch.int64))
        self.register_buffer("scale", torch.full((), 0.5, dtype=dtype))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs * self.scale


def steps(dtype: torch.dtype) -> Steps:
    torch.manual_seed(0)
    return Steps().to(dtype)


def types(model: STLoRA) -> set[torch.dtype]:
    return {parameter.dtype for parameter in model.adapter.parameters()}


def drawn(model: STLoRA) -> STLoRA:
    """The model, its adapter away from its starting point."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.adapter.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model.eval()


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_attached_to_a_backbone_of_any_type_the_first_forecast_is_its_own_and_training_works(dtype, sharing):
    base, inputs = steps(dtype), windows().to(dtype)
    model = attach(base, plain(sharing, dropout=0.1, time_of_day=True), NODES)
    stamps = {"inputs_timestamps": torch.rand(3, 12, 2)}
    assert types(model) == {dtype}
    assert torch.equal(model(inputs, **stamps), base(inputs))
    drawn(model).train()(inputs, **stamps).square().mean().backward()
    assert all(
        parameter.grad.dtype == dtype and parameter.grad.isfinite().all() and parameter.grad.any()
        for parameter in model.parameters()
    )


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_an_adapter_of_any_type_is_saved_loaded_and_merged_to_the_same_forecast(dtype, tmp_path):
    model, inputs = drawn(attach(steps(dtype), plain("node"), NODES)), windows().to(dtype)
    save_adapter(model, tmp_path / "a.safetensors")
    loaded = load_adapter(steps(dtype), tmp_path / "a.safetensors")
    assert types(loaded) == {dtype}
    assert torch.equal(loaded(inputs), model(inputs))
    merged = merge(model, per_node=True)(inputs)
    torch.testing.assert_close(merged, model(inputs), rtol=0.1, atol=0.1)
    assert merged.dtype == dtype


# BasicTS computes in float32 in these, or there is no tensor that has a type.
SINGLE = ("DUET", "FITS", "FiLM", "HI", "MTSMixer")


@pytest.mark.parametrize("name", [name for name in backbones() if name not in SINGLE])
def test_every_backbone_takes_an_adapter_in_double(name):
    base, inputs = backbone(name).double().eval(), windows().double()
    model = attach(base, plain("embedding"), NODES).eval()
    assert types(model) == {torch.float64}
    assert torch.equal(forecast(model, inputs), forecast(base, inputs))


def test_parameters_decide_the_type_and_buffers_only_where_there_are_none():
    base = steps(torch.float32)
    base.register_buffer("mean", torch.zeros(12, dtype=torch.float64))
    assert types(attach(base, plain("node"), NODES)) == {torch.float32}
    assert types(attach(Scaled(torch.float64), plain("node"), NODES)) == {torch.float64}
    assert types(attach(nn.Identity(), plain("node"), NODES)) == {torch.float32}


@pytest.mark.parametrize("inside", [(torch.bfloat16, torch.float32), (torch.float32, torch.bfloat16)], ids=str)
def test_a_backbone_of_several_types_gets_an_adapter_of_the_widest_and_stays_as_it_is(inside):
    first, last = inside
    base = nn.Sequential(steps(first), steps(last))
    model = drawn(attach(base, plain("node"), NODES))
    assert types(model) == {torch.float32}
    assert [part.linear.weight.dtype for part in base] == [first, last]
    assert model(windows()).dtype == base(windows()).dtype == last


def test_readings_of_another_type_than_the_forecast_are_taken():
    model = drawn(attach(steps(torch.bfloat16), plain("node"), NODES))
    assert model(windows()).dtype == model(windows().double()).dtype == torch.bfloat16


def test_a_converted_adapter_keeps_its_type_in_its_file(tmp_path):
    """A float32 adapter on a bfloat16 backbone: what trains well is not rounded by saving."""
    model = attach(steps(torch.bfloat16), plain("node"), NODES)
    model.adapter.float()
    drawn(model)
    save_adapter(model, tmp_path / "a.safetensors")
    loaded = load_adapter(steps(torch.bfloat16), tmp_path / "a.safetensors")
    assert types(loaded) == {torch.float32}
    assert torch.equal(loaded(windows()), model(windows()))


def test_the_adapter_goes_to_the_device_of_the_backbone_which_is_not_moved():
    base = steps(torch.float64).to("meta")
    base.register_parameter("elsewhere", nn.Parameter(torch.zeros(3)))  # its first
    model = attach(base, STLoRAConfig(), NODES)
    assert {(p.device.type, p.dtype) for p in model.adapter.parameters()} == {("cpu", torch.float64)}
    assert (base.linear.weight.device.type, base.elsewhere.device.type) == ("meta", "cpu")


@pytest.mark.parametrize("dtype", [*TYPES, torch.float32, torch.float8_e4m3fn, torch.int64], ids=str)
def test_weights_of_any_type_have_a_hash_of_their_own(dtype):
    def hashed(value: float) -> str:
        return weights_fingerprint({"a": torch.full((2, 2), value).to(dtype), "b": torch.zeros(()).to(dtype)})

    assert hashed(1.0) == hashed(1.0) != hashed(2.0)
