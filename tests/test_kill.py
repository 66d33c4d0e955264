"""SIGKILL at any moment, the same command again: the uninterrupted run's result, bit for bit."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch

from tests.commands import ROOT, run, succeeded

COMMAND = ("-c", "experiments/TINY/LSTM.py", "--seeds", "0", "--epochs", "4", "--threads", "1", "--set",
           "model.dropout=0.3", "lr_milestones=[2]")


@pytest.fixture(scope="module")
def uninterrupted(tiny_data, tmp_path_factory):
    results = tmp_path_factory.mktemp("whole")
    succeeded(run("experiments/run.py", *COMMAND, "--data", tiny_data, "--results", results))
    return outcome(results)


def outcome(results):
    """What must not depend on interruptions: figures, curve and weights."""
    (path,) = (results / "TINY/LSTM").glob("*.json")
    record = json.loads(path.read_text())
    for entry in record["training"]["history"]:
        del entry["seconds"]
    weights = torch.load(path.with_suffix("") / "model.pt", weights_only=True)["model_state_dict"]
    return {"test": record["test"], "history": record["training"]["history"], "best": record["training"]["best_epoch"],
            "weights": {name: tensor.numpy().tobytes() for name, tensor in weights.items()}}


@pytest.mark.parametrize("moment", ["after the first checkpoint", "between checkpoints", "at random, three times"])
def test_a_killed_run_ends_like_an_uninterrupted_one(moment, tiny_data, tmp_path, uninterrupted):
    command = [sys.executable, "experiments/run.py", *COMMAND, "--data", str(tiny_data), "--results", str(tmp_path)]
    generator = random.Random(moment)
    for _ in range(3 if "random" in moment else 1):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if "random" not in moment:
            deadline = time.monotonic() + 60
            while not list(tmp_path.glob("TINY/LSTM/*/last.pt")) and time.monotonic() < deadline:
                time.sleep(0.01)
        time.sleep({"after the first checkpoint": 0.0, "between checkpoints": 0.6}.get(moment, generator.uniform(2, 6)))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    succeeded(run("experiments/run.py", *COMMAND, "--data", tiny_data, "--results", tmp_path))
    assert outcome(tmp_path) == uninterrupted
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_forced_run_that_is_killed_leaves_the_earlier_record(tiny_data, tmp_path):
    arguments = ("-c", "experiments/TINY/LSTM.py", "--seeds", "1", "--epochs", "2", "--data", tiny_data, "--results",
                 tmp_path)
    succeeded(run("experiments/run.py", *arguments))
    before = outcome(tmp_path)
    process = subprocess.Popen([sys.executable, "experiments/run.py", *map(str, arguments), "--force"], cwd=ROOT,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob("TINY/LSTM/*/last.pt")) and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert outcome(tmp_path) == before
    assert "already finished" in succeeded(run("experiments/run.py", *arguments))
