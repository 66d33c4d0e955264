"""New sensors in a trained adapter: the known ones forecast as before, to the bit; the given model is untouched."""

import copy
import json
from itertools import pairwise

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from stlora_ext import STLoRAConfig, attach, expand_adapter, load_adapter, merge, save_adapter
from stlora_ext.errors import UserError
from stlora_ext.lora.files import read_adapter
from stlora_ext.lora.node_agnostic import node_holder
from stlora_ext.lora.settings import SHARINGS
from tests.lora.toy import NODES, backbone, forecast, node_tensors, plain, trained, windows
from tests.support.small import BASICTS, OURS

AGNOSTIC = ("LSTM", "DLinear", "FITS", "HI", "NLinear", "SparseTSF", "Timer")
TYPES = (torch.float32, torch.float64)
every_sharing = pytest.mark.parametrize("sharing", SHARINGS)


def called(count, first=0):
    return [f"new {i}" for i in range(first, first + count)]


def inputs_of(model, dtype=torch.float32, batch=3):
    """Windows of all its nodes, and times."""
    stamps = torch.rand(batch, 12, 2, generator=torch.Generator().manual_seed(4))
    return windows(batch, num_nodes=model.num_nodes).to(dtype), stamps.to(dtype)


@torch.no_grad()
def made(model, inputs, stamps):
    """The forecast, the backbone's own, and the correction of given forecasts."""
    whole = model(inputs, inputs_timestamps=stamps)
    with model.disable_adapter():
        own = model(inputs, inputs_timestamps=stamps)
    return whole, own, model.correct(inputs, inputs.flip(1), stamps)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@every_sharing
@pytest.mark.parametrize("name", ["LSTM", "DLinear"])
def test_the_known_sensors_forecasts_stay_the_same_to_the_bit(name, sharing, dtype):
    for nodes in (1, 3, NODES, 55):
        model = trained(name, sharing, nodes, time_of_day=True).to(dtype).eval()
        for count in (1, 2, 50):
            once = expand_adapter(model, called(count))
            twice = expand_adapter(once, called(7, first=count))
            for before, after in pairwise((model, once, twice)):
                inputs, stamps = inputs_of(after, dtype)
                for was, now in zip(
                    made(before, inputs[:, :, : before.num_nodes].contiguous(), stamps),
                    made(after, inputs, stamps),
                    strict=True,
                ):
                    assert now.shape == (3, 12, after.num_nodes) and torch.equal(now[:, :, : before.num_nodes], was)


@every_sharing
def test_a_new_sensor_has_the_mean_of_the_known_rows_in_every_layer(sharing):
    model = trained("LSTM", sharing).eval()
    expanded = expand_adapter(model, ["a", "b"])
    held = dict.fromkeys(id(rows) for rows in model.adapter.per_node())
    for (name, before), after in zip(model.adapter.named_parameters(), expanded.adapter.parameters(), strict=True):
        known = after[:NODES] if id(before) in held else after
        assert torch.equal(known, before), name
        for row in after[NODES:] if id(before) in held else []:
            torch.testing.assert_close(row, before.mean(dim=0))
    assert len(held) == (0 if sharing == "none" else 2)
    assert expanded.sensors == (*map(str, range(NODES)), "a", "b")
    mean = copy.deepcopy(model)
    with torch.no_grad():
        for rows in node_tensors(mean) if held else []:
            rows.copy_(rows.mean(dim=0).expand_as(rows))
    inputs = windows(num_nodes=NODES + 2)
    torch.testing.assert_close(expanded(inputs)[:, :, NODES:], mean(inputs[:, :, 2:])[:, :, -2:])


@pytest.mark.parametrize("frozen", [False, True])
def test_the_given_model_is_untouched_even_when_the_new_one_is_trained(frozen):
    model = trained("LSTM", "embedding", dropout=0.2, row_dropout=0.2)
    forecast(model.train(), windows())  # its generators have begun
    if frozen:
        model.freeze_backbone()
    model.backbone.output_layer.eval()

    def state():
        modes = [module.training for module in model.modules()]
        asking = [parameter.requires_grad for parameter in model.parameters()]
        return modes, asking, model.num_nodes, model.sensors, model.frozen, torch.get_rng_state().tolist()

    before, tensors = state(), copy.deepcopy(model.state_dict())
    expanded = expand_adapter(model, ["a"])
    assert state() == before
    assert (expanded.frozen, expanded.training) == (model.frozen, model.training)
    optimizer = torch.optim.Adam([p for p in expanded.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):
        expanded(windows(num_nodes=NODES + 1)).abs().mean().backward()
        optimizer.step()
    assert all(torch.equal(value, tensors[name]) for name, value in model.state_dict().items())
    assert not any(
        torch.equal(value[:NODES], tensors[f"adapter.{name}"][:NODES])
        for name, value in expanded.adapter.state_dict().items()
    )
    assert (expanded.backbone is model.backbone) == frozen


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "3"], "knows the sensor '3' already"),
        (["a", "b", "a"], "the sensor 'a' is named twice"),
        (["a", ""], "sensor 1 has an empty name"),
        ([" "], "sensor 0 has an empty name"),
        ([], r"names=\[\], expected the names of the new sensors"),
        ("abc", r"is one text, expected a list of names, such as \['abc'\]"),
        ([7], "the name 7 is no text"),
    ],
)
def test_names_that_do_not_name_new_sensors_are_refused(names, expected):
    with pytest.raises(UserError, match=f"^expand_adapter: .*{expected}"):
        expand_adapter(trained("LSTM", "node"), names)


def test_a_name_that_was_given_or_added_is_known():
    names = [f"s{i}" for i in range(NODES)]
    model = expand_adapter(attach(backbone("LSTM"), plain("node"), NODES, names=names), iter(["a", "0"]))
    assert model.sensors == (*names, "a", "0")
    for name in ("s3", "a"):
        with pytest.raises(UserError, match=f"knows the sensor '{name}' already"):
            expand_adapter(model, [name])


def named_tensors(model):
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


@pytest.mark.parametrize("nodes", [NODES, 12], ids=["11 nodes", "as many nodes as steps"])
@pytest.mark.parametrize("name", [*OURS, *BASICTS])
def test_a_backbone_that_holds_its_nodes_takes_no_new_ones_and_says_what_holds_them(name, nodes):
    if name in (*AGNOSTIC, "TiDE"):  # TiDE's sizes follow from the number of nodes, and it takes any
        assert expand_adapter(attach(backbone(name, nodes), plain("node"), nodes), ["a"]).num_nodes == nodes + 1
        return
    with pytest.raises(UserError, match="train backbone and adapter on all sensors") as caught:
        expand_adapter(attach(backbone(name, nodes), plain("node"), nodes), ["a"])
    line = str(caught.value)
    assert "\n" not in line
    if "tensor" in line and "no other number" not in line:
        held = line.split("'")[1]
        shapes = [named_tensors(backbone(name, n))[held].shape for n in (nodes, nodes + 2)]
        assert shapes[0] != shapes[1]
    elif name == "iTransformer":
        assert f"no other number of nodes than {nodes} (" in line
    else:
        assert f"{name} forecasts a node from the others' inputs too" in line
        assert node_holder(lambda n: backbone(name, n)) == "inputs"


class Steps(nn.Module):
    """A node-agnostic backbone that takes more than inputs, in an order of its own."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(12, 12)

    def forward(self, inputs, inputs_timestamps, inputs_mask, scale=None):
        assert inputs.shape == inputs_mask.shape and inputs_timestamps.shape[1:] == (12, 2)
        made = self.linear((inputs * inputs_mask).transpose(1, 2)).transpose(1, 2) + inputs_timestamps[:, :, :1]
        return {"prediction": made if scale is None else made * scale, "loss": made.mean()}


@pytest.mark.parametrize("nodes", [1, NODES])
def test_what_a_backbone_takes_per_node_goes_with_its_node(nodes):
    """Of 1 + 1 nodes times have as many columns as there are nodes."""
    model = attach(Steps(), plain("node"), nodes).eval()
    expanded = expand_adapter(model, ["a"])
    inputs, stamps = inputs_of(expanded)
    mask, scale = torch.rand(inputs.shape) > 0.3, torch.rand(3, 1, nodes + 1)
    own = expanded(inputs, stamps, mask, scale=scale)
    assert list(own) == ["prediction"]
    old = (tensor[:, :, :nodes].contiguous() for tensor in (inputs, mask, scale))
    x, mask_of_old, scale_of_old = old
    assert torch.equal(own["prediction"][:, :, :nodes], model(x, stamps, mask_of_old, scale_of_old)["prediction"])


class Graph(Steps):
    def forward(self, inputs, supports):
        return self.linear(inputs.transpose(1, 2)).transpose(1, 2) @ supports


class Ordered(Steps):
    """As many nodes as there are rows, and a node's forecast depends on its place."""

    def __init__(self):
        super().__init__()
        self.own = nn.Parameter(torch.randn(50))

    def forward(self, inputs):
        return inputs + self.own[: inputs.shape[2]]


@pytest.mark.parametrize(
    ("holder", "expected"),
    [
        (Graph, "the input 'supports' of Graph holds its 11 nodes"),
        (Ordered, "forecasts a node from the others' inputs"),
    ],
)
def test_an_input_that_holds_the_nodes_is_named(holder, expected):
    with pytest.raises(UserError, match=expected):
        expand_adapter(attach(holder(), plain("node"), NODES), ["a"])


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@every_sharing
def test_the_file_of_an_expanded_model_makes_its_forecasts_exactly(sharing, dtype, tmp_path):
    path = tmp_path / "a.safetensors"
    model = expand_adapter(
        expand_adapter(trained("LSTM", sharing, time_of_day=True).to(dtype).eval(), ["a", "b"]), ["c"]
    )
    save_adapter(model, path)
    loaded = load_adapter(backbone("LSTM").to(dtype), path, names=model.sensors)
    inputs, stamps = inputs_of(model, dtype)
    assert all(map(torch.equal, made(loaded, inputs, stamps), made(model, inputs, stamps)))
    assert expand_adapter(loaded, ["d"]).sensors == (*map(str, range(NODES)), *"abcd")
    with pytest.raises(UserError, match="lack 'c'"):
        load_adapter(backbone("LSTM").to(dtype), path, names=model.sensors[:-1])


@pytest.mark.parametrize("added", [[13], [0], [-1], [1.5], "ab", 3, [6, 7], [True]])
def test_a_file_whose_count_of_added_sensors_is_damaged_is_refused(added, tmp_path):
    path = tmp_path / "a.safetensors"
    save_adapter(expand_adapter(trained("LSTM", "node"), ["a", "b"]), path)
    save_file(load_file(path), path, metadata={"stlora": json.dumps({**read_adapter(path)[0], "added": added})})
    with pytest.raises(UserError, match=r"damaged \(no good 'added'\)"):
        load_adapter(backbone("LSTM"), path)


@every_sharing
def test_an_expanded_model_can_be_merged_and_a_merged_one_not_expanded(sharing):
    model = expand_adapter(trained("LSTM", sharing).eval(), ["a"])
    merged = merge(model, per_node=sharing != "none")
    inputs = windows(num_nodes=NODES + 1)
    torch.testing.assert_close(forecast(merged, inputs), forecast(model, inputs), rtol=1e-5, atol=1e-5)
    with pytest.raises(UserError, match="is merged and has no rows; expand it first"):
        expand_adapter(merged, ["b"])


@pytest.mark.parametrize("shape", [(3, 12, NODES), (3, 12, NODES + 3), (3, 11, NODES + 2), (12, NODES + 2)])
def test_inputs_of_another_network_are_refused_with_and_without_adapter(shape):
    model = expand_adapter(trained("LSTM", "node").eval(), ["a", "b"])
    with pytest.raises(UserError, match="the adapter expects .*12 steps, 13 nodes"):
        model(torch.zeros(shape))
    with model.disable_adapter(), pytest.raises(UserError, match="the adapter expects .*12 steps, 13 nodes"):
        model(torch.zeros(shape))


def test_an_expanded_model_learns_and_replaces_rows_of_all_its_sensors():
    model = expand_adapter(trained("LSTM", "vector", row_dropout=0.3), ["a", "b"]).train()
    model(windows(num_nodes=NODES + 2))[:, :, NODES + 1].sum().backward()
    assert all(rows.grad[NODES + 1].any() for rows in model.adapter.per_node())
    assert model.adapter.row_dropout(torch.zeros(NODES + 2, 3)).shape == (NODES + 2,)


def test_what_carries_no_adapter_is_not_expanded():
    with pytest.raises(UserError, match="a LSTM carries no adapter"):
        expand_adapter(backbone("LSTM"), ["a"])


class Allocated(TorchDispatchMode):
    """Counts the bytes of new tensors."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        given = {tensor.untyped_storage().data_ptr() for tensor in args if isinstance(tensor, torch.Tensor)}
        if isinstance(result, torch.Tensor) and result.untyped_storage().data_ptr() not in given:
            self.bytes += result.untyped_storage().nbytes()
        return result


@pytest.mark.parametrize("sharing", ["node", "embedding", "vector"])
def test_a_large_network_takes_one_copy_of_the_adapter_and_the_new_rows(sharing):
    model = attach(nn.Identity(), STLoRAConfig(sharing=sharing), 8600)
    model.backbone.forward = lambda inputs: inputs
    with Allocated() as allocated:
        expanded = expand_adapter(model, called(50))
    size = sum(p.numel() * p.element_size() for p in expanded.adapter.parameters())
    assert size <= allocated.bytes < size + 50_000
