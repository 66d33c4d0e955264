"""The sweep as a user runs it, with the real run.py: a failing run, a killed sweep, the same command again."""

import os
import signal
import subprocess
import sys
import time

import pytest

from experiments import sweep as sweep_command
from stlora_ext.sweep.request import make_plan
from tests.support.commands import ROOT, run, succeeded

pytestmark = pytest.mark.slow
ARGUMENTS = (
    "--datasets",
    "TINY",
    "--models",
    "HA",
    "LSTM",
    "LSTM+",
    "--protocols",
    "adapt",
    "--seeds",
    "0-1",
    "--epochs",
    "1",
    "--set",
    "model.hidden_size=8",
    "batch_size=512",
    "--jobs",
    "2",
    "--threads",
    "1",
)


def records(results):
    return {path: path.stat().st_mtime_ns for path in results.glob("*/*/*.json")}


@pytest.mark.skipif(sys.platform != "linux", reason="children die with their parent on Linux only")
def test_a_sweep_killed_and_given_again_finishes_all_but_the_jobs_that_fail(tiny_data, tmp_path):
    arguments = [*ARGUMENTS, "--data", str(tiny_data), "--results", str(tmp_path)]
    jobs = make_plan(sweep_command.request(sweep_command.parser().parse_args(arguments))).jobs
    spoiled, dependent = jobs[3:]  # seed 1 of LSTM and LSTM+
    damaged = tmp_path / spoiled.key.path / "last.pt"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"no checkpoint")

    killed = subprocess.Popen([sys.executable, "experiments/sweep.py", *arguments], cwd=ROOT, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while not records(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    before = records(tmp_path)
    assert before

    second = run("experiments/sweep.py", *arguments)
    after = records(tmp_path)
    assert second.returncode == 1 and len(after) == 3, second.stdout + second.stderr
    assert {path: after[path] for path in before} == before
    told = second.stdout[second.stdout.index("2 failed:") :]
    assert f"{spoiled.title}: checkpoint {damaged} is damaged" in told and "delete it to start this run again" in told
    assert "python experiments/run.py -c experiments/TINY/LSTM.py --seeds 1 --epochs 1 --batch-size 512" in told
    assert f"its output: {damaged.parent / 'sweep.log'}" in told
    assert f"{dependent.title}: not started: {spoiled.title} failed, whose weights it adapts" in told
    assert "[5/5] " in second.stdout and "MAE " in second.stdout

    damaged.unlink()
    third = succeeded(run("experiments/sweep.py", *arguments))
    assert "5 runs: 3 finished, 2 to run on the CPU, 2 side by side, 1 thread each" in third
    assert "time in all: about " in third and "2 runs done, 3 finished before, 0 by other processes" in third
    assert "TINY/LSTM+ adapt plus seed 1: MAE" in third and "left 00:00" in third
    finished = records(tmp_path)
    assert len(finished) == 5 and {path: finished[path] for path in after} == after
