"""Every model, with and without adapter, trains a step on TINY and is validated and tested, through the real runner."""

import math

import pytest
from basicts.runners.callback import BasicTSCallback

from stlora_ext.config.experiment import experiment
from stlora_ext.config.registry import models
from stlora_ext.data.prepared import load_meta
from stlora_ext.host.launcher import launch_training
from stlora_ext.host.runner import HostRunner
from stlora_ext.runs.adapter_runner import STLoRARunner
from stlora_ext.runs.build import host_config
from stlora_ext.runs.options import RunOptions
from tests.support.small import SMALL


class OneStep(BasicTSCallback):
    """Ends training after its first step."""

    def on_step_end(self, runner, step):
        runner.should_training_stop = True


@pytest.mark.parametrize("name", models())
def test_a_model_trains_a_step_on_tiny(name, tiny_data, tmp_path):
    exp = experiment("TINY", name, model_settings=SMALL.get(name.removesuffix("+"), {}), num_epochs=2)
    cfg = host_config(exp, load_meta(tiny_data, "TINY"), 0, RunOptions(tiny_data), tmp_path)
    cfg.callbacks.append(OneStep())
    runner = launch_training(cfg, HostRunner if exp.adapter is None else STLoRARunner)
    assert runner.global_steps == (0 if exp.protocol == "fitted" else 1)
    assert all(math.isfinite(scores["MAE"]) for scores in runner.test_result["horizons"])


def test_the_curriculum_covers_all_steps_in_the_warm_up_and_then_one_more_every_few_epochs(tiny_data, tmp_path):
    meta = load_meta(tiny_data, "TINY")
    callbacks = {
        epochs: host_config(experiment("TINY", "D2STGNN", num_epochs=epochs), meta, 0, RunOptions(tiny_data)).callbacks
        for epochs in (99, 100)
    }
    assert len(callbacks[100]) == len(callbacks[99]) + 1
    curriculum = callbacks[100][-1]
    assert [curriculum.steps(epoch, 12) for epoch in (1, 30, 31, 32, 33, 36, 62, 63, 100)] == [
        12,
        12,
        1,
        1,
        2,
        3,
        11,
        12,
        12,
    ]
    metr_la = host_config(
        experiment("TINY", "D2STGNN", curriculum_warm_up=0, curriculum_every=6), meta, 0, RunOptions(tiny_data)
    ).callbacks[-1]
    assert [metr_la.steps(epoch, 12) for epoch in (1, 5, 6, 65, 66)] == [1, 1, 2, 11, 12]
