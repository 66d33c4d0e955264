"""The invariants of an ST-LoRA model, over every backbone and every way of sharing A."""

import copy

import pytest
import torch

from stlora_ext.errors import UserError
from stlora_ext.lora.layer import NALL
from stlora_ext.lora.merge import merge
from stlora_ext.lora.model import attach, parameter_counts, widened
from stlora_ext.lora.predictor import Predictor
from stlora_ext.lora.settings import INPUTS, SHARINGS, STLoRAConfig
from tests.lora.toy import (
    CASES,
    IN_ORDER,
    NODES,
    backbone,
    forecast,
    node_tensors,
    permute_nodes,
    plain,
    trained,
    windows,
)

every_case = pytest.mark.parametrize(("name", "sharing"), CASES)
NEED_MORE = [
    "VAR",
    "STGCN",
    "D2STGNN",
    "Autoformer",
    "DUET",
    "FITS",
    "FiLM",
    "HI",
    "Informer",
    "Koopa",
    "TimeKAN",
    "TimeMixer",
]
NEED_OTHERS = ("MTSMixer", "StemGNN")
NODE_LEVEL = [(name, sharing) for name, sharing in CASES if sharing != "none"]


@every_case
@pytest.mark.parametrize("x", INPUTS)
def test_at_attachment_the_forecast_is_the_backbones_bit_for_bit(name, sharing, x):
    base, inputs = backbone(name).eval(), windows()
    expected = forecast(base, inputs)
    assert torch.equal(forecast(attach(base, plain(sharing, x=x), NODES).eval(), inputs), expected)


@every_case
def test_every_adapter_tensor_has_moved_after_five_adam_steps(name, sharing):
    model = attach(backbone(name), plain(sharing), NODES)
    before = copy.deepcopy(dict(model.adapter.named_parameters()))
    optimizer, targets = torch.optim.Adam(model.parameters(), lr=0.01), windows(seed=2)
    for _ in range(5):
        optimizer.zero_grad()
        (forecast(model, windows()) - targets).abs().mean().backward()
        optimizer.step()
    assert [key for key, value in model.adapter.named_parameters() if torch.equal(value, before[key])] == []


@pytest.mark.parametrize(("name", "sharing"), NODE_LEVEL)
def test_a_nodes_own_tensors_change_that_nodes_forecast_alone(name, sharing):
    model, inputs, j = trained(name, sharing).eval(), windows(), 4
    before = forecast(model, inputs)
    with torch.no_grad():
        for tensor in node_tensors(model):
            tensor[j] += 1.0
    changed = (forecast(model, inputs) != before).any(dim=0).any(dim=0)
    assert changed.tolist() == [node == j for node in range(NODES)]


@every_case
def test_the_correction_of_a_node_depends_on_that_node_alone(name, sharing):
    model, x = trained(name, sharing).adapter.eval(), windows(steps=24)
    other = x.clone()
    other[:, :, 2] += 1.0
    changed = (model(x) != model(other)).any(dim=0).any(dim=0)
    assert changed.tolist() == [node == 2 for node in range(NODES)]


@every_case
def test_permuting_the_nodes_permutes_the_forecast(name, sharing):
    """Nodes permuted in the data, the graph, the adapter and what the backbone holds per node; the adapter alone, where
    the backbone takes the nodes in their order."""
    model, inputs = trained(name, sharing).eval(), windows()
    order = torch.randperm(NODES, generator=torch.Generator().manual_seed(5))
    permuted = copy.deepcopy(model)
    with torch.no_grad():
        for tensor in node_tensors(permuted) if sharing != "none" else []:
            tensor.copy_(tensor[order])
    if name in IN_ORDER:
        model, permuted, inputs = model.adapter, permuted.adapter, windows(steps=24)
    else:
        permute_nodes(permuted.backbone, order)
    torch.testing.assert_close(
        forecast(permuted, inputs[:, :, order]), forecast(model, inputs)[:, :, order], rtol=1e-5, atol=1e-5
    )


@every_case
def test_eval_twice_changes_nothing(name, sharing):
    model, inputs = trained(name, sharing, dropout=0.5), windows()
    first = forecast(model.eval(), inputs)
    model.train()
    assert all(torch.equal(forecast(model.eval(), inputs), first) for _ in range(2))


@every_case
def test_a_batch_of_one_works_and_a_single_node_too_or_is_refused_by_an_architecture_that_needs_others(name, sharing):
    assert forecast(trained(name, sharing), windows(1)).shape == (1, 12, NODES)
    if name in NEED_OTHERS:
        with pytest.raises(UserError, match="num_nodes=1"):
            trained(name, sharing, num_nodes=1)
        return
    assert forecast(trained(name, sharing, num_nodes=1).eval(), windows(num_nodes=1)).shape == (3, 12, 1)


@every_case
def test_an_input_of_one_step_works_or_is_refused_by_an_architecture_that_needs_more(name, sharing):
    if name in NEED_MORE:
        with pytest.raises(UserError, match="input_len"):
            backbone(name, input_len=1)
        return
    model = attach(backbone(name, input_len=1), plain(sharing, input_len=1), NODES)
    assert forecast(model, windows(steps=1)).shape == (3, 12, NODES)


@every_case
def test_a_frozen_backbone_gets_no_gradient_and_stays_in_eval_mode(name, sharing):
    model = attach(backbone(name), plain(sharing), NODES)
    model.freeze_backbone()
    before = copy.deepcopy(model.backbone.state_dict())
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        (forecast(model.train(), windows()) - 1.0).abs().mean().backward()
        optimizer.step()
    assert not any(module.training for module in model.backbone.modules()) and model.adapter.training
    assert all(parameter.grad is None for parameter in model.backbone.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.backbone.state_dict().items())


@every_case
def test_attaching_does_not_touch_the_global_generator(name, sharing):
    base = backbone(name)
    state = torch.get_rng_state()
    attach(base, plain(sharing, dropout=0.3), NODES).train().adapter(windows(steps=24))
    assert torch.equal(torch.get_rng_state(), state)


@every_case
def test_the_reported_parameters_are_the_counted_ones(name, sharing):
    config, base = plain(sharing), backbone(name)
    r, d, k, layers = config.rank, config.width, config.num_embeddings, config.layers
    own = {"node": NODES * r * d, "embedding": NODES * k + k * r * d, "vector": NODES * r + r * d, "none": r * d}
    expected = (24 * d + d) + layers * (d * d + d + d * r + own[sharing]) + (d * 12 + 12)
    counts = parameter_counts(attach(base, config, NODES))
    assert counts["adapter"] == expected
    assert counts["backbone"] == sum(p.numel() for p in base.parameters())
    assert counts["trainable"] == counts["backbone"] + expected


@pytest.mark.parametrize("sharing", SHARINGS)
def test_a_layer_computes_its_equation(sharing):
    """Against the equation written out node by node, with the per-node matrix formed."""
    layer = NALL(NODES, 5, 4, 2, 0.7, sharing, 3, True, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    x = torch.randn(NODES, 8, 5, generator=generator)
    a = layer.lora_a
    for i in range(NODES):
        own = {
            "node": lambda i=i: a.matrix[i],
            "none": lambda: a.matrix,
            "embedding": lambda i=i: torch.einsum("k,krd->rd", a.embedding[i], a.pool),
            "vector": lambda i=i: torch.diag(a.vector[i]) @ a.matrix,
        }[sharing]()
        expected = torch.relu(x[i] @ (layer.weight + 0.7 * layer.lora_b @ own).t() + layer.bias)
        torch.testing.assert_close(layer(x)[i], expected, rtol=1e-5, atol=1e-5)


def test_no_tensor_of_a_layer_grows_with_nodes_times_width_squared():
    """With rank 1 nothing of the size N d^2 may be formed, forward or backward."""
    nodes, width = 50, 64
    layer = NALL(nodes, width, width, 1, 1.0, "node", 1, False)
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
            nonlocal largest
            result = function(*arguments, **(keywords or {}))
            for tensor in result if isinstance(result, (tuple, list)) else (result,):
                if isinstance(tensor, torch.Tensor):
                    largest = max(largest, tensor.numel())
            return result

    with Watch():
        layer(torch.randn(nodes, 2, width)).sum().backward()
    assert largest < nodes * width * width / 10


@pytest.mark.parametrize(("alpha", "stabilised", "expected"), [(None, False, 1.0), (8.0, False, 2.0), (8.0, True, 4.0)])
def test_the_scale_is_alpha_over_rank_or_its_root(alpha, stabilised, expected):
    assert STLoRAConfig(rank=4, alpha=alpha, rank_stabilised=stabilised).scale == expected


@pytest.mark.parametrize("sharing", SHARINGS)
def test_settings_survive_a_json_round_trip(sharing):
    config = plain(sharing, alpha=3.0, x="window", activation="relu", dropout=0.25)
    assert STLoRAConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"rank": 0}, "rank=0: expected a whole number of at least 1"),
        ({"rank": 1.5}, "rank=1.5"),
        ({"sharing": "nodes"}, "did you mean 'node'"),
        ({"x": "all"}, "expected one of: window, forecast, both"),
        ({"alpha": -1.0}, "alpha=-1.0"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"activation": "tanh"}, "expected one of: identity, relu"),
    ],
)
def test_settings_out_of_range_are_refused_by_name_and_value(settings, expected):
    with pytest.raises(UserError, match=expected):
        STLoRAConfig(**settings)


@pytest.mark.parametrize("text", ["[]", "{", '{"ranks": 3}', "3"])
def test_json_that_is_no_settings_is_refused(text):
    with pytest.raises(UserError):
        STLoRAConfig.from_json(text)


def test_lengths_and_nodes_that_do_not_fit_are_refused_at_the_first_forward():
    for config, nodes, expected in (
        (plain("node", input_len=6), NODES, "the input has shape"),
        (plain("node", output_len=6), NODES, "the forecast has shape"),
        (plain("node"), NODES + 1, "12 nodes"),
    ):
        with pytest.raises(UserError, match=expected):
            attach(backbone("LSTM"), config, nodes)(windows())


def test_a_backbone_carries_one_adapter_only():
    with pytest.raises(UserError, match="carries an ST-LoRA adapter already"):
        attach(attach(backbone("LSTM"), plain("node"), NODES), plain("node"), NODES)


def test_gradients_reach_the_backbone_through_x_in_joint_training():
    """The forecast that enters X isn't detached: the backbone's gradient differs from that of the sum alone."""
    model, inputs = trained("LSTM", "node", x="forecast"), windows()
    model.backbone.lstm.dropout = 0.0
    model(inputs).sum().backward()
    joint = model.backbone.output_layer.weight.grad.clone()
    model.zero_grad()
    model.backbone(inputs).sum().backward()
    assert not torch.allclose(joint, model.backbone.output_layer.weight.grad)


def test_the_wide_arm_is_the_narrowest_with_as_many_parameters():
    config = plain("node")
    target = sum(p.numel() for p in Predictor(config, NODES).parameters())
    wide = widened(config, NODES, target)
    counts = [
        sum(p.numel() for p in Predictor(plain("none", width=width), NODES).parameters())
        for width in (wide.width - 1, wide.width)
    ]
    assert wide.sharing == "none" and counts[0] < target <= counts[1]


@every_case
def test_merging_is_defined_for_shared_weights_or_as_a_bank_and_keeps_the_forecast(name, sharing):
    model, inputs = trained(name, sharing).eval(), windows()
    if sharing != "none":
        with pytest.raises(UserError, match="every node has a matrix of its own"):
            merge(model)
    before = forecast(model, inputs)
    merged = merge(model, per_node=sharing != "none")
    torch.testing.assert_close(forecast(merged, inputs), before, rtol=1e-5, atol=1e-5)
    assert merged.adapter.nalls[0].weight.shape == ((8, 8) if sharing == "none" else (NODES, 8, 8))
    assert torch.equal(forecast(model, inputs), before)
