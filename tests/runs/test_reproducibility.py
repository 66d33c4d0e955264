"""Same seed, machine and threads: the same record and weights to the bit, for every model, seconds apart."""

import json
from dataclasses import replace

import pytest
import torch

from experiments import run as run_command
from stlora_ext.errors import UserError
from stlora_ext.host.devices import use_device
from stlora_ext.host.launcher import launch_training
from stlora_ext.runs.build import host_config
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.provenance import provenance
from stlora_ext.runs.run import train_run
from tests.support.commands import refusal
from tests.support.reopened import data, finished, quick, quick_meta
from tests.support.small import BASICTS, OURS

EVERY = [*OURS, *(f"{name}+" for name in OURS)]
FITTED = ("HA", "HA-week", "VAR", "SVR")
SECONDS = ("seconds", "seconds_per_epoch")


def without_seconds(value):
    if isinstance(value, dict):
        return {key: without_seconds(each) for key, each in value.items() if key not in SECONDS}
    return [without_seconds(each) for each in value] if isinstance(value, list) else value


def again(model, results, **place):
    exp = quick(model)
    use_device("")
    train_run(exp, quick_meta(), None if exp.run_seeds == (None,) else 0, RunOptions(data(), results, **place))
    (record,) = results.glob("QUICK/*/*.json")
    return record


@pytest.mark.parametrize("model", [*EVERY, *BASICTS])
def test_a_repeated_run_gives_the_same_record_and_weights_to_the_bit(model, tmp_path):
    paths = finished(model), again(model, tmp_path)
    first, second = (without_seconds(json.loads(path.read_text())) for path in paths)
    assert first == second
    one, other = (
        torch.load(path.with_suffix("") / "model.pt", weights_only=True)["model_state_dict"] for path in paths
    )
    assert one.keys() == other.keys()
    assert all(one[name].numpy().tobytes() == other[name].numpy().tobytes() for name in one)


@pytest.mark.parametrize("model", [model for model in EVERY if model.removesuffix("+") not in FITTED])
def test_deterministic_trains_every_model_and_shares_its_key_with_a_run_without(model, tmp_path):
    usual = finished(model)
    record = again(model, tmp_path, deterministic=True)
    assert record.name == usual.name and json.loads(record.read_text())["provenance"]["deterministic"] is True
    first, second = (json.loads(path.read_text())["test"] for path in (usual, record))
    assert first == second  # on the CPU nothing else is used anyway
    torch.use_deterministic_algorithms(False)


def test_the_record_says_what_varies():
    assert provenance(RunOptions())["varies"] == ["seconds"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_record_of_a_gpu_says_what_varies():
    options = RunOptions(gpus="0")
    assert "--deterministic" in provenance(options)["varies"][1]
    assert provenance(replace(options, deterministic=True))["varies"] == ["seconds"]


def test_an_operation_without_a_repeatable_form_is_refused_by_name(tmp_path):
    cfg = host_config(quick("LSTM"), quick_meta(), 0, RunOptions(data(), deterministic=True), tmp_path)

    class Runner:
        def __init__(self, cfg):
            raise RuntimeError("cumsum_cuda_kernel does not have a deterministic implementation, but you set ...")

    with pytest.raises(UserError, match="--deterministic: cumsum_cuda_kernel has no form on this device"):
        launch_training(cfg, Runner)


def test_the_option_is_one_of_run(capsys, tmp_path):
    arguments = ["-c", "experiments/TINY/LSTM.py", "--deterministic", "--gpus", "99", "--results", tmp_path]
    assert "--gpus 99" in refusal(run_command.main, arguments, capsys)
