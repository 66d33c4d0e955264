"""A model or a backbone inside torch.compile, DataParallel or DDP is what it is without."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn

from stlora_ext import attach, expand_adapter, load_adapter, merge, save_adapter
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.lora.files import backbone_hash, read_adapter
from stlora_ext.lora.model import STLoRA, forward_names
from stlora_ext.lora.parameters import parameter_report
from stlora_ext.runs.forecast import forecast_windows
from stlora_ext.weights import bare_state, bare_state_dict, load_weights
from stlora_ext.wrapped import unwrapped
from tests.lora.toy import NODES, backbone, plain, trained, windows

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch"),  # torch.compile's own use of torch.jit
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning"),
]  # and its tracing


def compiled(module: nn.Module) -> nn.Module:
    return torch.compile(module, backend="eager")


WRAPPERS = {
    "compiled": compiled,
    "in parallel": nn.DataParallel,
    "distributed": nn.parallel.DistributedDataParallel,
    "compiled in parallel": lambda module: nn.DataParallel(compiled(module)),
    "parallel compiled": lambda module: compiled(nn.DataParallel(module)),
}
every_wrapper = pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)


@pytest.fixture(autouse=True, scope="module")
def one_process() -> Iterator[None]:
    """A process group of one, for DistributedDataParallel."""
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()
    torch.compiler.reset()


class Parts(nn.Module):
    """A backbone of two parts, one of them called as DataParallel calls what it wraps; it forecasts its targets."""

    def __init__(self) -> None:
        super().__init__()
        self.module, self.last = nn.Linear(12, 12), nn.Linear(12, 12)

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor, inputs_timestamps: torch.Tensor) -> torch.Tensor:
        return self.last(self.module(inputs.transpose(1, 2))).transpose(1, 2) + targets


def wrap_backbone(model: STLoRA, wrap: Callable[[nn.Module], nn.Module]) -> nn.Module:
    model.backbone = wrap(model.backbone)
    return model


PLACES = {
    "before attach": lambda model, wrap: wrap_backbone(model, wrap),
    "the model": lambda model, wrap: wrap(model),
    "both": lambda model, wrap: wrap(wrap_backbone(model, wrap)),
    "a part": lambda model, wrap: setattr(model.backbone, "hidden_layer", wrap(model.backbone.hidden_layer)) or model,
}
every_place = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)


@every_wrapper
@every_place
def test_a_wrapped_model_saves_the_file_of_the_plain_one(wrap, place, tmp_path):
    save_adapter(trained("LSTM", "node"), tmp_path / "plain.safetensors")
    save_adapter(place(trained("LSTM", "node"), wrap), tmp_path / "wrapped.safetensors")
    assert (tmp_path / "wrapped.safetensors").read_bytes() == (tmp_path / "plain.safetensors").read_bytes()
    assert read_adapter(tmp_path / "plain.safetensors")[0]["backbone"] == "LSTM"


@every_wrapper
def test_a_file_loads_onto_a_wrapped_backbone(wrap, tmp_path):
    model, path = trained("LSTM", "node").eval(), tmp_path / "a.safetensors"
    save_adapter(model, path)
    loaded = load_adapter(wrap(backbone("LSTM")), path)
    torch.testing.assert_close(loaded(windows()), model(windows()), rtol=1e-5, atol=1e-5)
    with pytest.raises(UserError, match="is for a LSTM, not a HA"):
        load_adapter(nn.DataParallel(backbone("HA")), path)


@every_wrapper
def test_a_wrapped_backbone_takes_an_adapter_once_and_trains_with_it(wrap):
    with pytest.raises(UserError, match="carries an ST-LoRA adapter already"):
        attach(wrap(trained("LSTM", "node")), plain("node"), NODES)
    base = wrap(backbone("LSTM").eval())
    model = attach(base, plain("node"), NODES)
    assert torch.equal(model(windows()), base(windows()))
    model(windows()).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert model.detach() is base


@every_wrapper
@every_place
def test_a_wrapped_model_is_expanded_as_the_plain_one(wrap, place):
    inputs, plainly = windows(num_nodes=NODES + 1), expand_adapter(trained("LSTM", "node").eval(), ["a"])
    for frozen in (False, True):
        model = place(trained("LSTM", "node"), wrap).eval()
        if frozen:
            unwrapped(model).freeze_backbone()
        expanded = expand_adapter(model, ["a"])
        torch.testing.assert_close(expanded(inputs), plainly(inputs))
        assert expanded.sensors == plainly.sensors and bare_state_dict(expanded).keys() == plainly.state_dict().keys()


@every_wrapper
def test_a_wrapped_backbone_is_frozen_over_several_steps(wrap):
    model = attach(wrap(backbone("LSTM")), plain("node"), NODES)
    model.freeze_backbone()
    for _ in range(3):
        model(windows()).sum().backward()
    assert all(parameter.grad is None for parameter in model.backbone.parameters())
    inputs = windows().requires_grad_()
    model(inputs).sum().backward()
    assert inputs.grad.any()


@every_wrapper
@every_place
def test_a_wrapped_model_has_the_names_the_hash_and_the_weights_of_the_plain_one(wrap, place, tmp_path):
    plain_one, wrapped = trained("LSTM", "node"), place(trained("LSTM", "node"), wrap)
    state = plain_one.state_dict()
    assert bare_state_dict(wrapped).keys() == state.keys()
    assert backbone_hash(unwrapped(wrapped).backbone) == backbone_hash(plain_one.backbone)
    drawn = {name: torch.randn_like(tensor) for name, tensor in state.items()}
    load_weights(wrapped, drawn, tmp_path)
    assert all(torch.equal(tensor, drawn[name]) for name, tensor in bare_state_dict(wrapped).items())
    if place is not PLACES["a part"]:
        load_weights(plain_one, wrapped.state_dict(), tmp_path)
        assert all(torch.equal(tensor, drawn[name]) for name, tensor in plain_one.state_dict().items())


@every_wrapper
def test_a_part_called_module_is_no_wrapper(wrap):
    base = Parts()
    own = set(base.state_dict())
    assert set(bare_state_dict(wrap(base))) == own == set(bare_state(wrap(base).state_dict()))
    whole = attach(wrap(base), plain("node"), NODES)
    assert {name for name in bare_state_dict(whole) if name.startswith("backbone.")} == {f"backbone.{n}" for n in own}


@every_wrapper
@every_place
def test_a_wrapped_model_is_counted_and_merged_as_the_plain_one(wrap, place):
    plain_one, wrapped = trained("LSTM", "none").eval(), place(trained("LSTM", "none"), wrap).eval()
    assert parameter_report(wrapped) == parameter_report(plain_one)
    merged = merge(wrapped)
    torch.testing.assert_close(merged(windows()), plain_one(windows()), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(wrapped(windows()), plain_one(windows()), rtol=1e-5, atol=1e-5)


@every_wrapper
@pytest.mark.parametrize(
    "place",
    [lambda model, wrap: wrap_backbone(model, wrap), lambda model, wrap: wrap(model)],
    ids=["the backbone", "the model"],
)
def test_a_wrapped_model_is_given_what_the_plain_forward_names(wrap, place):
    torch.manual_seed(0)
    model = attach(Parts(), plain("node", day_of_week=True), NODES).eval()
    names, meta = forward_names(model), Meta("SMALL", 400, NODES, 5, 288, "2024-01-01", 0.0, 12, 12, {}, [], False, "")
    arguments = (
        {"mean": torch.zeros(()), "std": torch.ones(())},
        meta,
        windows().numpy(),
        torch.rand(3, 24, 2, generator=torch.Generator().manual_seed(0)).numpy(),
    )
    expected = forecast_windows(model, *arguments)
    wrapped = place(model, wrap).eval()
    assert forward_names(wrapped) == names == {"inputs", "targets", "inputs_timestamps"}
    assert (forecast_windows(wrapped, *arguments) == expected).all()
