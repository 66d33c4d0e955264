"""Finished runs of protocol ``stream`` on the network of two simulated days."""

import functools
from pathlib import Path

from stlora_ext.host.devices import use_device
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.run import train_run
from tests.support.reopened import data, finished, quick, quick_meta, results

EVERY = 30  # steps of a period


@functools.cache
def streamed(arm: str = "plus") -> Path:
    """Return the record of a stream of LSTM, walked in periods of a few steps; its folder holds the forecasts."""
    finished("LSTM")  # the backbone
    use_device("")
    settings = {"stream.every": EVERY, "stream.steps": 2, "stream.lr": 0.01}
    exp = quick("LSTM+").override(settings).with_protocol("stream").with_arm(arm)
    record, _ = train_run(exp, quick_meta(), 0, RunOptions(data(), results(), save_results=True))
    return record.key.record_path(results())
