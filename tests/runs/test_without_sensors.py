"""Runs of protocol new-sensors in use: a model that knows a part of the sensors forecasts no network."""

import shlex

import pytest

from experiments import predict as predict_command
from experiments import run as run_command
from stlora_ext.host.launcher import use_device
from stlora_ext.runs.loaded import load_run
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.run import train_run
from tests.support.commands import refusal
from tests.support.reopened import data, finished, quick, quick_meta, results


def made(arm):
    """Return the record of a finished run, of which one of five sensors is set aside."""
    use_device("")
    exp = quick("LSTM+").override({"new_sensors.split": 1}).with_protocol("new-sensors").with_arm(arm)
    options = RunOptions(data(), results(), train_backbone=True)
    record, _ = train_run(exp, quick_meta(), 0, options)
    return record.key.record_path(results())


@pytest.mark.parametrize("arm", ["base", "plus", "control"])
def test_a_model_without_some_sensors_forecasts_none_and_the_command_in_the_message_trains_one_that_does(
    arm, capsys, tmp_path
):
    finished("LSTM")
    record = made(arm)
    adapter = record.with_suffix("") / "adapter.safetensors"
    folders = ["--data", data(), "--results", results()]
    commands = set()
    for path in [record, *[adapter] * adapter.exists()]:
        arguments = [path, "--input", tmp_path / "in.csv", "--output", tmp_path / "out.csv", *folders]
        message = refusal(predict_command.main, arguments, capsys)
        assert f"{path} is of protocol new-sensors, and its model knows 4 of the 5 sensors of QUICK" in message
        commands.add(message.partition("all with ")[2].partition(", and name")[0])
    (command,) = commands
    run_command.main([*shlex.split(command)[2:], "--no-tuning"])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("record: ")]
    run = load_run(line.partition("record: ")[2], data=data(), results=results())
    assert len(run.sensors) == 5 and run.exp.model == record.parent.name


def test_a_model_that_was_trained_on_all_sensors_is_used_like_any_other():
    assert len(load_run(made("full"), data=data(), results=results()).sensors) == 5
