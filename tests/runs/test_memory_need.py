"""The memory that a run needs is estimated from its own model, and what it then takes is near."""

import copy
import json
import os
import random

import numpy as np
import pytest
import torch

from stlora_ext.config.backbones import BACKBONES
from stlora_ext.host.metrics import MaskedMAE
from stlora_ext.host.randomness import rng_state, set_rng_state
from stlora_ext.lora.sample import forward, sample_batch, sample_window
from stlora_ext.runs.build import build_model
from stlora_ext.runs.live_bytes import LiveBytes
from stlora_ext.runs.memory_need import OVERHEAD, memory_need
from stlora_ext.threads import TUNED_ENVIRONMENT
from tests.support.commands import run, succeeded
from tests.support.small import NODES, data_folder, meta, small_experiment

TRAINED = [name for name, backbone in BACKBONES.items() if not backbone.fitted]
BOTH = [arm for name in TRAINED for arm in (name, f"{name}+")]
CPU = torch.device("cpu")


def built(name: str, protocol: str = "joint"):
    exp = small_experiment(name).with_lengths(12, 12)
    exp = exp if protocol == "joint" else exp.with_protocol(protocol)
    return build_model(exp, meta(), data_folder(NODES)), exp


def allocated(model: torch.nn.Module, windows: int, training: bool) -> int:
    """The peak of a step, or of a forecast, by torch's own account of its allocations."""
    batch = sample_batch(sample_window(12, NODES, windows), 288, 24)
    mask = torch.ones_like(batch["targets"], dtype=torch.bool)
    with torch.autograd.profiler.profile(profile_memory=True) as profile, torch.set_grad_enabled(training):
        forecast = forward(model.train(training), batch)
        if training:
            MaskedMAE()(forecast * 2.0 + 1.0, batch["targets"], mask).backward()
    model.zero_grad()
    changes = [event for event in profile.kineto_results.events() if event.name() == "[memory]"]
    sizes = np.cumsum([event.nbytes() for event in sorted(changes, key=lambda event: event.start_ns())])
    return int(sizes.max())


@pytest.mark.parametrize("name", BOTH)
def test_the_tensors_of_a_batch_are_those_that_torch_allocates(name):
    model, exp = built(name)
    need = memory_need(model, exp, meta(), CPU, 0)
    passes = max(need.forward.at(24), need.backward.at(24)) / OVERHEAD
    assert passes == pytest.approx(allocated(model, 24, True), rel=0.03)
    assert need.evaluation.at(24) / OVERHEAD == pytest.approx(allocated(model, 24, False), rel=0.15)


@pytest.mark.slow
def test_a_process_grows_by_what_was_estimated():
    env = {**os.environ, **TUNED_ENVIRONMENT}
    printed = succeeded(run("-m", "tests.runs.measured_memory", *BOTH, env=env, timeout=600))
    rows = [json.loads(line) for line in printed.splitlines()]
    assert [row["name"] for row in rows] == BOTH
    assert all(0.7 < row["estimate"] / row["growth"] < 1.5 for row in rows), rows


def drawn() -> list[float]:
    """The next number of every global generator, which stays where it was."""
    state = rng_state()
    numbers = [random.random(), np.random.rand(), torch.rand(()).item()]  # noqa: NPY002 (models may draw from it)
    set_rng_state(state)
    return numbers


@pytest.mark.parametrize("name", ["GWNet+", "AGCRN", "STAE+"])
def test_estimating_changes_neither_the_model_nor_what_is_drawn_later(name):
    model, exp = built(name)
    before, modes = copy.deepcopy(model), [module.training for module in model.modules()]
    later = drawn()
    memory_need(model, exp, meta(), CPU, 0)
    assert drawn() == later
    assert [module.training for module in model.modules()] == modes
    assert all(parameter.grad is None for parameter in model.parameters())
    for own in ("named_parameters", "named_buffers"):
        pairs = zip(getattr(model, own)(), getattr(before, own)(), strict=True)
        assert all(torch.equal(tensor, other) for (_, tensor), (_, other) in pairs)


def test_a_part_needs_what_its_windows_need_and_the_gradients_of_the_others():
    model, exp = built("AGCRN")
    need = memory_need(model, exp, meta(), CPU, 0)
    whole, part = need.training(64), need.training(64, parts=4)
    passes = need.backward.at(64) - need.backward.at(16)
    assert part == whole - passes + need.gradients
    assert need.training(64, parts=5) == need.training(64, parts=4) - 3 * need.backward.per_window  # 13 of 64


def test_a_frozen_backbone_needs_no_activations_but_its_forecasts():
    joint, adapt = (memory_need(*built("LSTM+", how), meta(), CPU, 0) for how in ("joint", "adapt"))
    assert adapt.backward.per_window < joint.backward.per_window / 10
    assert adapt.gradients < joint.gradients
    weights = sum(p.numel() * 4 for p in built("LSTM+")[0].parameters())
    assert adapt.held == weights + 2 * adapt.gradients + 4 * 12 * NODES * (200 + 80)


def test_data_that_do_not_fit_are_not_held():
    model, exp = built("STGCN")
    readings = NODES * (200 + 80 + 2 * 23)
    assert memory_need(model, exp, meta(), CPU, 2**30).training_data == 9 * readings
    assert memory_need(model, exp, meta(), CPU, 100).training_data == 0


def test_a_storage_is_counted_once_and_as_long_as_it_lives():
    base = torch.zeros(1000)
    with LiveBytes() as live:
        base.add_(1).view(10, 100).t()  # all of them base's
        assert live.now == 0
        made = base * 2
        view = made[:10].mul_(3)
        assert live.now == 4000
        del made
        assert live.now == 4000  # the view holds it
        del view
        torch.empty(10**6).sum()
        assert live.now == 0 and live.peak > 4 * 10**6
        live.restart()
        assert live.peak == 0
