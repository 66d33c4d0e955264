"""Runs of protocol new-sensors in use: a model that knows a part of the sensors forecasts that part."""

import numpy as np
import pandas as pd
import pytest

from experiments import predict as predict_command
from stlora_ext.host.devices import use_device
from stlora_ext.runs.loaded import load_run
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.run import train_run
from tests.support.commands import refusal
from tests.support.reopened import data, quick, quick_meta, results


def made(arm):
    """Return the record of a finished run, of which one of five sensors is set aside."""
    use_device("")
    exp = quick("LSTM+").override({"new_sensors.split": 1}).with_protocol("new-sensors").with_arm(arm)
    options = RunOptions(data(), results(), train_backbone=True)
    record, _ = train_run(exp, quick_meta(), 0, options)
    return record


def readings(path, sensors):
    """Write two hours of readings of some sensors."""
    times = pd.date_range("2024-01-02", periods=24, freq="5min", name="time")
    values = np.random.default_rng(0).uniform(50, 100, (len(times), len(sensors)))
    pd.DataFrame(values, times, sensors).to_csv(path)
    return path


@pytest.mark.parametrize("arm", ["base", "plus", "control", "full"])
def test_a_model_forecasts_the_sensors_that_it_was_trained_on(arm, tmp_path, capsys):
    record = made(arm)
    path = record.key.record_path(results())
    left_out = set() if arm == "full" else set(record.new_sensors.sensors)
    known = [name for column, name in enumerate(quick_meta().sensor_ids) if column not in left_out]
    assert list(load_run(path, data=data(), results=results()).sensors) == known
    folders = ["--data", data(), "--results", results(), "--output", tmp_path / "out.csv"]
    predict_command.main([str(part) for part in [path, "--input", readings(tmp_path / "in.csv", known), *folders]])
    assert list(pd.read_csv(tmp_path / "out.csv", index_col="time").columns) == known
    if left_out:
        whole = readings(tmp_path / "whole.csv", quick_meta().sensor_ids)
        arguments = [path, "--input", whole, *folders]
        assert "has the unknown sensor '" in refusal(predict_command.main, arguments, capsys)
