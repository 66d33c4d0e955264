"""What must hold on a CUDA GPU; everything here is skipped without one."""

import copy
import json
import warnings
from collections.abc import Iterator

import pytest
import torch

from stlora_ext.config.registry import get_backbone, models
from stlora_ext.host.checkpoint import load_checkpoint
from stlora_ext.host.curriculum import HorizonCurriculum
from stlora_ext.host.devices import use_device
from stlora_ext.host.launcher import launch_training
from stlora_ext.host.runner import HostRunner
from stlora_ext.runs.adapter_runner import STLoRARunner
from stlora_ext.runs.build import host_config
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.run import train_run
from tests.baselines.test_compile_and_bf16 import moved_adapter, names_with, output_and_gradients
from tests.host.toy import Interrupt, Interrupted, run_ours, same, weights, write_world
from tests.parity.test_parity import without_dropout
from tests.support.commands import run
from tests.support.reopened import data, finished, quick, quick_meta
from tests.support.small import OURS, forecast, small_backbone, windows

TRAINED = [name for name in OURS if not get_backbone(name).fitted]
pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch"),  # torch.compile's own use of torch.jit
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore:TensorFloat32 tensor cores:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*not enough SMs:UserWarning"),
]


@pytest.fixture(autouse=True)
def exact_float32_and_the_cpu_afterwards() -> Iterator[None]:
    """Switch off the 10-bit products of convolutions, and leave the process as other tests expect it."""
    allowed, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    yield
    torch.backends.cudnn.allow_tf32 = allowed
    torch.use_deterministic_algorithms(False)
    use_device("")


def on_gpu(model: torch.nn.Module) -> list[torch.Tensor]:
    """Return forecast and gradients of the same windows as ``output_and_gradients``, from the GPU."""
    model = model.cuda()
    model.zero_grad()
    output = forecast(model, windows().cuda())
    output.float().square().mean().backward()
    return [output.detach().float().cpu(), *(parameter.grad.cpu() for parameter in model.parameters())]


@pytest.mark.parametrize("name", TRAINED)
def test_forecast_and_gradients_are_those_of_the_cpu(name):
    for model in (small_backbone(name), moved_adapter(small_backbone(name))):
        without_dropout(model).train()
        expected = output_and_gradients(model)
        for one, other in zip(expected, on_gpu(copy.deepcopy(model)), strict=True):
            assert (one - other).abs().max() <= 1e-3 * one.abs().max() + 1e-6


class CountsWaits(HostRunner):
    """Counts per epoch how often the process waited for the GPU."""

    def __init__(self, cfg) -> None:
        super().__init__(cfg)
        self.waits: list[int] = []

    def _train_epoch(self) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                super()._train_epoch()
            finally:
                torch.cuda.set_sync_debug_mode("default")
        self.waits.append(sum("called a synchronizing CUDA operation" in str(each.message) for each in caught))
        assert self.train_data_loader.split.scaled.is_cuda


class AdaptedCountsWaits(STLoRARunner, CountsWaits):
    """The same with an adapter."""


@pytest.mark.parametrize("model", [name + plus for name in TRAINED for plus in ("", "+")])
def test_an_epoch_waits_for_the_gpu_at_its_end_alone(model, tmp_path):
    exp = quick(model, num_epochs=3, batch_size=64, **({"adapter": {"dropout": 0.1}} if model.endswith("+") else {}))
    cfg = host_config(exp, quick_meta(), 0, RunOptions(data(), gpus="0"), tmp_path)
    runner = launch_training(cfg, AdaptedCountsWaits if model.endswith("+") else CountsWaits)
    assert len(runner.train_data_loader) > 2
    assert runner.waits[1:] == [2, 2]  # whether the loss is finite, and its value; the first epoch sends constants too


@pytest.mark.parametrize("model", models())
def test_a_run_ends_in_a_record_near_the_cpus_and_its_checkpoint_opens_on_the_cpu(model, tmp_path):
    exp = quick(model)
    use_device("0")
    seed = None if exp.run_seeds == (None,) else 0
    record, _ = train_run(exp, quick_meta(), seed, RunOptions(data(), tmp_path, gpus="0"))
    assert record.provenance.hardware == torch.cuda.get_device_name(0)
    (path,) = tmp_path.rglob("model.pt")
    assert all(not tensor.is_cuda for tensor in load_checkpoint(path)["model_state_dict"].values())
    cpu = load_checkpoint(finished(model).with_suffix("") / "model.pt")
    assert cpu["model_state_dict"].keys() == load_checkpoint(path)["model_state_dict"].keys()
    expected = json.loads(finished(model).read_text())["test"]["average"]["MAE"]
    assert record.scores.average["MAE"] == pytest.approx(expected, rel=0.1)  # dropout draws differ


@pytest.mark.parametrize("model", [f"{name}+" for name in TRAINED])
def test_deterministic_repeats_to_the_bit(model, tmp_path):
    assert same(
        *(
            weights(
                launch_training(
                    host_config(
                        quick(model), quick_meta(), 0, RunOptions(data(), gpus="0", deterministic=True), tmp_path / name
                    ),
                    STLoRARunner,
                )
            )
            for name in ("first", "second")
        )
    )


@pytest.mark.parametrize("model", [name + plus for name in names_with("cuda-graphs") for plus in ("", "+")])
def test_recorded_steps_learn_what_the_plain_ones_learn(model, tmp_path):
    exp = quick(model, num_epochs=4, batch_size=64)
    if hasattr(exp.backbone.config, "dropout"):
        exp = exp.override({"model.dropout": 0.0})
    trained = []
    for recorded in (False, True):
        cfg = host_config(
            exp,
            quick_meta(),
            0,
            RunOptions(data(), gpus="0", deterministic=True, cuda_graphs=recorded),
            tmp_path / str(recorded),
        )
        cfg.callbacks.append(HorizonCurriculum(2, 1))
        trained.append(launch_training(cfg, STLoRARunner if model.endswith("+") else HostRunner))
        assert len(trained[-1].train_data_loader) > 3
    assert any(trained[1].recorded._recordings.values()) and trained[0].recorded is None
    for plain, replayed in zip(*(runner.history for runner in trained), strict=True):
        assert replayed["loss"] == pytest.approx(plain["loss"], rel=1e-4)
    for name, tensor in weights(trained[0]).items():
        torch.testing.assert_close(weights(trained[1])[name], tensor, rtol=1e-3, atol=1e-4)


def test_recorded_steps_adapt_a_frozen_backbone_as_the_plain_ones(tmp_path):
    exp = quick("LSTM+", num_epochs=4, batch_size=64).with_protocol("adapt")
    use_device("0")
    plain, replayed = (
        train_run(
            exp,
            quick_meta(),
            0,
            RunOptions(
                data(),
                tmp_path / str(recorded),
                gpus="0",
                cuda_graphs=recorded,
                train_backbone=True,
                deterministic=True,
            ),
        )[0]
        for recorded in (False, True)
    )
    assert plain.key == replayed.key
    assert [record.provenance.cuda_graphs for record in (plain, replayed)] == [False, True]
    assert replayed.scores["average"]["MAE"] == pytest.approx(plain.scores["average"]["MAE"], rel=0.05)  # dropout


@pytest.mark.parametrize(
    "model",
    [name + plus for name in sorted({*names_with("cuda-graphs")} & {*names_with("bf16")}) for plus in ("", "+")],
)
def test_recorded_steps_under_bfloat16_learn_what_the_plain_ones_learn(model, tmp_path):
    exp = quick(model, num_epochs=2, batch_size=64, bf16=True)
    if hasattr(exp.backbone.config, "dropout"):
        exp = exp.override({"model.dropout": 0.0})
    plain, replayed = (
        launch_training(
            host_config(
                exp,
                quick_meta(),
                0,
                RunOptions(data(), gpus="0", deterministic=True, cuda_graphs=recorded),
                tmp_path / str(recorded),
            ),
            STLoRARunner if model.endswith("+") else HostRunner,
        )
        for recorded in (False, True)
    )
    assert any(replayed.recorded._recordings.values())
    for one, other in zip(plain.history, replayed.history, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-2)


@pytest.mark.parametrize("name", names_with("cuda-graphs"))
def test_recorded_steps_draw_dropout_anew(name, tmp_path):
    exp = quick(name, num_epochs=1, batch_size=64)
    cfg = host_config(exp, quick_meta(), 0, RunOptions(data(), gpus="0", cuda_graphs=True), tmp_path)
    runner = launch_training(cfg)
    runner.model.train()
    batch = next(iter(runner.train_data_loader))
    losses = set()
    for _ in range(4):
        losses.add(runner.recorded(batch).item())
        runner.optimizer.zero_grad()
    assert len(losses) == (1 if name == "AGCRN" else 4)  # which has no dropout


@pytest.mark.parametrize("recorded", [False, True])
def test_an_interrupted_run_ends_like_an_uninterrupted_one(recorded, tmp_path):
    world, settings = (
        write_world(tmp_path / "data"),
        {
            "gpus": "0",
            "num_epochs": 3,
            "deterministic": True,
            "cuda_graphs": recorded,
            "model_settings": {"dropout": 0.3},
        },
    )
    whole = run_ours(world, tmp_path / "whole", **settings)
    with pytest.raises(Interrupted):
        run_ours(world, tmp_path / "parts", callbacks=[Interrupt(at_step=8)], **settings)
    parts = run_ours(world, tmp_path / "parts", callbacks=[Interrupt()], **settings)
    assert same(weights(whole), weights(parts))
    assert whole.test_result == parts.test_result


@pytest.mark.parametrize("name", names_with("compile"))
def test_a_compiled_model_forecasts_and_learns_as_the_plain_one(name):
    plain = without_dropout(moved_adapter(small_backbone(name))).train()
    compiled = copy.deepcopy(plain).cuda()
    compiled.compile(dynamic=False)
    for one, other in zip(output_and_gradients(plain), on_gpu(compiled), strict=True):
        assert (one - other).abs().max() <= 1e-3 * one.abs().max() + 1e-6
    torch._dynamo.reset()


@pytest.mark.parametrize("name", names_with("bf16"))
def test_a_model_under_bfloat16_is_near_the_float32_one(name):
    model = without_dropout(moved_adapter(small_backbone(name))).train()
    exact = output_and_gradients(model)
    with torch.autocast("cuda", torch.bfloat16):
        rounded = on_gpu(model)
    assert not torch.equal(exact[0], rounded[0])
    for one, other in zip(exact, rounded, strict=True):
        assert (one - other).abs().max() <= 0.1 * one.abs().max() + 1e-3


def test_memory_that_runs_out_is_one_line():
    program = (
        "import torch; from stlora_ext.cli import command; command(lambda _: torch.empty(10 ** 12, device='cuda'))"
    )
    done = run("-c", program)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: not enough memory (CUDA out of memory. Tried to allocate ")


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="one GPU alone")
@pytest.mark.parametrize("name", ["AGCRN+", "GWNet+"])
def test_two_gpus_train_one_model_as_one_does(name, tmp_path):
    exp = quick(name).override({"model.dropout": 0.0} if name == "GWNet+" else {})
    one, two = (
        train_run(exp, quick_meta(), 0, RunOptions(data(), tmp_path / gpus, gpus=gpus))[0] for gpus in ("0", "0,1")
    )
    assert two.provenance.data_parallel == 2
    assert two.scores.average["MAE"] == pytest.approx(one.scores.average["MAE"], rel=1e-4)
