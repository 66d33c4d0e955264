"""A frozen backbone: gradients flow where something asks for them, nothing is kept where nothing asks."""

import copy

import pytest
import torch
from torch import nn

from stlora_ext import attach
from stlora_ext.config.registry import backbones
from stlora_ext.lora.model import STLoRA, parameter_counts
from tests.lora.toy import NODES, backbone, forecast, plain, trained, windows

every_backbone = pytest.mark.parametrize("name", backbones())


def frozen(name: str) -> STLoRA:
    model = trained(name, "node")
    model.freeze_backbone()
    return model


def trainable(model: nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


@every_backbone
def test_gradients_of_the_inputs_go_through_the_frozen_backbone(name):
    """Against the same model unfrozen, in eval mode."""
    if name == "NonstationaryTransformer":
        pytest.skip("BasicTS divides its inputs in place, which has no gradient")
    gradients = []
    for model in (frozen(name).train(), trained(name, "node").eval()):
        inputs = windows().requires_grad_()
        forecast(model, inputs).square().sum().backward()
        gradients.append(inputs.grad)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)
    assert gradients[0].any()


@every_backbone
def test_without_anything_upstream_that_asks_no_graph_through_the_backbone_is_built(name):
    model, kept = frozen(name).train(), []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        result = forecast(model.backbone, windows())
    assert not result.requires_grad and kept == []
    forecast(model, windows()).sum().backward()
    assert all(parameter.grad is not None for parameter in model.adapter.parameters())


@pytest.mark.parametrize("asked", ["the model", "the backbone", "one parameter"])
def test_what_is_made_trainable_after_freezing_gets_gradients_in_eval_mode(asked):
    model = frozen("LSTM")
    part = {"the model": model, "the backbone": model.backbone, "one parameter": model.backbone.output_layer.weight}
    part[asked].requires_grad_(True)
    forecast(model.train(), windows()).sum().backward()
    got = {name for name, parameter in model.backbone.named_parameters() if parameter.grad is not None}
    assert (
        got
        == trainable(model.backbone)
        == (
            {"output_layer.weight"}
            if asked == "one parameter"
            else {name for name, _ in model.backbone.named_parameters()}
        )
    )
    assert parameter_counts(model)["trainable"] == sum(p.numel() for p in model.parameters() if p.grad is not None)
    assert not any(module.training for module in model.backbone.modules())
    expected = trained("LSTM", "node").eval()
    forecast(expected, windows()).sum().backward()
    torch.testing.assert_close(model.backbone.output_layer.weight.grad, expected.backbone.output_layer.weight.grad)


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda model: None,
        lambda model: model.freeze_backbone(),
        lambda model: model.requires_grad_(True),
        lambda model: model.backbone.load_state_dict(copy.deepcopy(model.backbone.state_dict()), assign=True),
        lambda model: setattr(model, "backbone", torch.compile(model.backbone, backend="eager")),
        lambda model: setattr(model, "backbone", nn.DataParallel(model.backbone)),
    ],
    ids=["nothing", "frozen twice", "all made trainable", "weights assigned", "compiled", "in parallel"],
)
@pytest.mark.parametrize("mode", [True, False], ids=["training", "evaluating"])
def test_unfreezing_restores_what_was_trainable_and_the_mode_of_the_model(meanwhile, mode):
    base = backbone("LSTM")
    base.input_projection.bias.requires_grad_(False)
    before = trainable(base)
    model = attach(base, plain("node"), NODES)
    model.freeze_backbone()
    assert trainable(base) == set()
    meanwhile(model)
    model.train(mode)
    assert not base.training
    model.unfreeze_backbone()
    assert trainable(base) == before and not model.frozen
    assert {module.training for module in base.modules()} == {mode}
    model.train()
    assert base.training


def test_unfreezing_and_detaching_what_is_not_frozen_changes_nothing():
    base = backbone("LSTM").eval()
    base.input_projection.bias.requires_grad_(False)
    before, model = trainable(base), attach(base, plain("node"), NODES)
    model.unfreeze_backbone()
    assert trainable(base) == before and not base.training
    assert model.detach() is base and trainable(base) == before and not base.training


def test_a_copy_of_a_frozen_model_is_unfrozen_on_its_own():
    model = frozen("LSTM")
    other = copy.deepcopy(model)
    other.unfreeze_backbone()
    assert trainable(other.backbone) and not trainable(model.backbone) and model.frozen
