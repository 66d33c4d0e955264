"""--compile and --bf16 of run.py, for every backbone whose registration names them."""

import copy
import shutil

import pytest
import torch

from stlora_ext.config.experiment import experiment
from stlora_ext.config.registry import backbones, get_backbone
from stlora_ext.data.prepared import load_meta
from stlora_ext.host.checkpoint import load_checkpoint
from stlora_ext.lora.model import attach
from stlora_ext.lora.settings import STLoRAConfig
from stlora_ext.runs.build import build_model
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.run import train_run
from tests.host.toy import Interrupt, Interrupted, run_ours, weights, write_world
from tests.support.small import NODES, SMALL, forecast, small_backbone, windows

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch"),  # torch.compile's own use of torch.jit
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning"),
]  # and its tracing
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler (g++)")


def names_with(option: str) -> list[str]:
    return [name for name in backbones() if option in get_backbone(name).tested_with]


def output_and_gradients(model: torch.nn.Module) -> list[torch.Tensor]:
    output = forecast(model, windows())
    model.zero_grad()
    output.float().square().mean().backward()
    return [output.detach().float(), *(parameter.grad.clone() for parameter in model.parameters())]


def moved_adapter(model: torch.nn.Module) -> torch.nn.Module:
    """Attach an adapter whose correction isn't zero."""
    model = attach(model, STLoRAConfig(), NODES)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.adapter.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


@needs_compiler
@pytest.mark.parametrize("name", names_with("compile"))
def test_a_compiled_model_forecasts_and_learns_as_the_plain_one(name):
    plain = moved_adapter(small_backbone(name)).eval()
    compiled = copy.deepcopy(plain)
    compiled.compile(dynamic=False, fullgraph=name == "STGCN")  # the others' recurrences leave the compiled code
    for one, other in zip(output_and_gradients(plain), output_and_gradients(compiled), strict=True):
        assert (one - other).abs().max() <= 1e-4 * one.abs().max() + 1e-7
    assert plain.state_dict().keys() == compiled.state_dict().keys()
    torch._dynamo.reset()


@needs_compiler
def test_a_run_may_change_between_compiled_and_plain_at_an_interruption(tmp_path):
    world = write_world(tmp_path / "data")
    plain = run_ours(world, tmp_path / "plain", num_epochs=3)
    for first in (True, False):
        folder = tmp_path / f"compiled first {first}"
        with pytest.raises(Interrupted):
            run_ours(world, folder, callbacks=[Interrupt(at_step=8)], num_epochs=3, compile_model=first)
        assert load_checkpoint(folder / "last.pt")["model_state_dict"].keys() == weights(plain).keys()
        mixed = run_ours(world, folder, callbacks=[Interrupt()], num_epochs=3, compile_model=not first)
        for name, tensor in weights(plain).items():
            torch.testing.assert_close(weights(mixed)[name], tensor, rtol=1e-4, atol=1e-5)
        assert mixed.test_result["average"]["MAE"] == pytest.approx(plain.test_result["average"]["MAE"], rel=1e-4)


@needs_compiler
def test_a_compiled_run_has_the_plain_runs_key_and_says_so(tiny_data, tmp_path):
    # One batch per split: a batch of another size is compiled anew.
    exp = experiment("TINY", "LSTM+", model_settings=SMALL["LSTM"], num_epochs=1, batch_size=5000, eval_batch_size=5000)
    meta = load_meta(tiny_data, "TINY")
    records = [
        train_run(exp, meta, 0, RunOptions(tiny_data, tmp_path / str(compiled), compiled=compiled))[0]
        for compiled in (False, True)
    ]
    assert records[0].key == records[1].key
    assert [record.provenance.compiled for record in records] == [False, True]
    assert records[1].scores.average["MAE"] == pytest.approx(records[0].scores.average["MAE"], rel=1e-3)
    model = build_model(exp, meta, tiny_data)
    path = next((tmp_path / "True").rglob("model.pt"))
    model.load_state_dict(load_checkpoint(path)["model_state_dict"])


@pytest.mark.parametrize("name", names_with("bf16"))
def test_a_model_under_bfloat16_is_near_the_float32_one(name):
    model = moved_adapter(small_backbone(name)).eval()
    exact = output_and_gradients(model)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = output_and_gradients(model)
    assert not torch.equal(exact[0], rounded[0])
    for one, other in zip(exact, rounded, strict=True):
        assert torch.isfinite(other).all()
        assert (one - other).abs().max() <= 0.1 * one.abs().max() + 1e-4


def test_linear_layers_by_onednn_leave_autocast_alone():
    model = small_backbone("STAE")  # has no --bf16, but others may train it under autocast
    with torch.autocast("cpu", torch.bfloat16):
        results = output_and_gradients(model)
    assert all(torch.isfinite(result).all() for result in results)


def test_bfloat16_gives_results_of_their_own(tiny_data, tmp_path):
    meta = load_meta(tiny_data, "TINY")
    place = RunOptions(tiny_data, tmp_path)
    exact, rounded = (
        train_run(experiment("TINY", "LSTM", model_settings=SMALL["LSTM"], num_epochs=1, bf16=bf16), meta, 0, place)[0]
        for bf16 in (False, True)
    )
    assert exact.key.config_hash != rounded.key.config_hash
    assert rounded.configuration.training["bf16"]
    error = [record.scores.average["MAE"] for record in (exact, rounded)]
    assert error[0] != error[1] == pytest.approx(error[0], rel=0.05)
