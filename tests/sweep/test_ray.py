"""A sweep on a real Ray cluster of one or two nodes on this machine; each run's worker has a folder of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from experiments import sweep as sweep_command
from stlora_ext.errors import UserError
from stlora_ext.runs.provenance import git_commit
from stlora_ext.sweep.request import make_plan
from tests.support.commands import ROOT, refused, run, succeeded
from tests.sweep.stubs import job, until

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install -c constraints.txt ray")
from ray.cluster_utils import Cluster  # noqa: E402

from stlora_ext.sweep import ray_engine  # noqa: E402

pytestmark = pytest.mark.slow
SMALL = ("--set", "model.hidden_size=8", "batch_size=512")
QUICK_LOSS = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
NODE = {"num_cpus": 1, "object_store_memory": 100 << 20}


@pytest.fixture(scope="module")
def cluster():
    """A head with one CPU, its files and its workers' under a folder of its own."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="ray") as folder:
        # RAY_TMPDIR: sockets need short paths; TMPDIR: where workers make their folders
        for name, value in (("RAY_TMPDIR", folder), ("TMPDIR", folder), ("RAY_USAGE_STATS_ENABLED", "0")):
            patch.setenv(name, value)
        patch.delenv("RAY_ADDRESS", raising=False)
        cluster = Cluster(True, head_node_args={**NODE, "include_dashboard": False, "_system_config": QUICK_LOSS})
        cluster.folder = Path(folder)
        yield cluster
        cluster.shutdown()


@pytest.fixture
def second_node(cluster):
    node = cluster.add_node(**NODE)
    yield node
    if node in cluster.worker_nodes:
        cluster.remove_node(node)


@pytest.fixture
def sweep(cluster, tiny_data, tmp_path):
    """Returns the command line of a sweep of TINY on the cluster into ``tmp_path / "results"``."""

    def command(*arguments):
        return [
            "experiments/sweep.py",
            "--datasets",
            "TINY",
            *arguments,
            "--ray",
            cluster.address,
            "--data",
            str(tiny_data),
            "--results",
            str(tmp_path / "results"),
        ]

    return command


def begun(command):
    return subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def epochs(results):
    """The epoch of every checkpoint that has come to the driver."""
    return [torch.load(path, weights_only=True)["epoch"] for path in sorted(results.rglob("last.pt"))]


def starts(results):
    """How often each job was started."""
    return {path.parent.name: path.read_text().count("$ python") for path in sorted(results.rglob("sweep.log"))}


def outcome(results):
    """What a record says but for durations."""
    found = {}
    for path in sorted(results.glob("TINY/*/*.json")):
        record = json.loads(path.read_text())
        for entry in record["training"]["history"]:
            del entry["seconds"]
        del record["training"]["seconds_per_epoch"], record["provenance"]["processes"]  # a lost worker is one more
        found[path.name] = record
    return found


def test_the_job_of_a_killed_node_goes_on_elsewhere_to_a_local_runs_result(
    sweep, second_node, cluster, tiny_data, tmp_path
):
    results = tmp_path / "results"
    arguments = ("--epochs", "6", "--set", "model.dropout=0.3")
    driver = begun(sweep("--models", "LSTM", "--seeds", "0-1", *arguments))
    until(lambda: driver.poll() is not None or len(found := epochs(results)) == 2 and min(found) >= 2)
    assert driver.poll() is None and not list(results.rglob("model.pt"))
    cluster.remove_node(second_node, allow_graceful=False)
    output, _ = driver.communicate(timeout=240)
    assert driver.returncode == 0, output
    (lost,) = re.findall(
        r"^TINY/LSTM joint base seed (\d): its worker was lost .*; it goes on from its last ", output, re.MULTILINE
    )
    assert "2 runs done, 0 finished before, 0 by other processes" in output
    assert sorted(starts(results).values()) == [1, 2]
    (log,) = results.glob(f"TINY/LSTM/*-seed{lost}/train.log")
    resumed = re.findall(r"resumed after epoch (\d)", log.read_text())
    assert len(resumed) == 1 and int(resumed[0]) >= 2
    assert not list(results.rglob("last.pt")) and not list(cluster.folder.glob("stlora-cell-*"))

    local = tmp_path / "local"
    succeeded(
        run(
            "experiments/run.py",
            "-c",
            "experiments/TINY/LSTM.py",
            "--seeds",
            lost,
            *arguments,
            "--threads",
            "1",
            "--data",
            tiny_data,
            "--results",
            local,
        )
    )
    ((name, record),) = outcome(local).items()
    assert outcome(results)[name] == record
    (weights,) = local.rglob("model.pt")
    assert weights_of(results / weights.relative_to(local)) == weights_of(weights)


def weights_of(path):
    return {
        name: tensor.numpy().tobytes()
        for name, tensor in torch.load(path, weights_only=True)["model_state_dict"].items()
    }


def test_a_job_that_fails_is_listed_and_finished_ones_are_not_repeated(sweep, cluster, tmp_path):
    command = sweep("--models", "HA", "LSTM", "LSTM+", "--protocols", "adapt", "--seeds", "0", "--epochs", "1", *SMALL)
    _, spoiled, _ = make_plan(sweep_command.request(sweep_command.parser().parse_args(command[1:]))).jobs
    damaged = tmp_path / "results" / spoiled.key.path / "last.pt"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"no checkpoint")

    first = run(*command)
    assert first.returncode == 1 and "2 failed:" in first.stdout, first.stdout + first.stderr
    assert "3 to run on the Ray cluster, 1 side by side, 1 CPU each" in first.stdout
    assert f"{spoiled.title}: checkpoint {damaged} is damaged" in first.stdout
    assert "python experiments/run.py -c experiments/TINY/LSTM.py --seeds 0 --epochs 1 --batch-size 512" in first.stdout
    assert f"not started: {spoiled.title} failed, whose weights it adapts" in first.stdout
    assert f"its output: {damaged.with_name('sweep.log')}" in first.stdout
    (record,) = outcome(tmp_path / "results").values()
    assert record["key"]["model"] == "HA" and (record["provenance"]["git_commit"] is None) == (git_commit() is None)

    damaged.unlink()
    command[command.index(cluster.address)] = "auto"  # a machine may be part of several clusters
    second = succeeded(run(*command, env={**os.environ, "RAY_ADDRESS": cluster.address}))
    assert "2 runs done, 1 finished before, 0 by other processes" in second
    assert len(list(tmp_path.glob("results/TINY/LSTM+/*/adapter.safetensors"))) == 1
    assert not list(cluster.folder.glob("stlora-cell-*"))


def test_two_sweeps_over_one_folder_never_run_the_same_job(sweep, second_node, tmp_path):
    command = sweep("--models", "LSTM", "--seeds", "0-2", "--epochs", "1", *SMALL)
    sweeps = [begun(command) for _ in range(2)]
    outputs = [each.communicate(timeout=240)[0] for each in sweeps]
    assert [each.returncode for each in sweeps] == [0, 0], outputs
    assert sum(int(re.search(r"(\d+) runs done", output)[1]) for output in outputs) == 3, outputs
    assert list(starts(tmp_path / "results").values()) == [1, 1, 1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_sweep_that_ends_early_takes_its_jobs_with_it_and_loses_nothing(number, sweep, cluster, tmp_path):
    results = tmp_path / "results"
    command = sweep("--models", "HA", "LSTM", "--seeds", "0", "--epochs", "20")  # not over before the signal arrives
    driver = begun(command)
    until(lambda: driver.poll() is not None or epochs(results))
    assert driver.poll() is None
    os.kill(driver.pid, number)
    output, _ = driver.communicate(timeout=60)
    assert driver.returncode == (130 if number == signal.SIGTERM else -number), output
    until(lambda: not running(str(cluster.folder / "stlora-cell-")))
    assert epochs(results), output
    assert "1 runs done, 1 finished before" in succeeded(run(*command, timeout=240))
    (log,) = results.glob("TINY/LSTM/*/train.log")
    assert len(re.findall("resumed after epoch", log.read_text())) == 1
    assert not list(results.rglob("last.pt"))


def running(word):
    """The processes whose command line holds ``word``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [path] if word in path.read_text() else []
        except OSError:
            continue
    return found


def test_a_job_that_no_node_holds_is_refused_unless_the_cluster_may_grow(sweep, cluster):
    command = sweep("--models", "HA", "--dry-run", "--gpus-per-cell", "0.5")
    line = refused(run(*command))
    assert f"--ray {cluster.address}: no node of this cluster has the 1 CPU and 0.5 GPU of a run: ask for less" in line
    text = succeeded(run(*command, "--jobs", "3"))
    assert "on the Ray cluster, 3 side by side, 1 CPU and 0.5 GPU each" in text


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9", "somewhere", "h:99999"])
def test_an_address_where_no_cluster_answers_is_refused_at_once(address):
    with pytest.raises(UserError, match=f"^--ray {address}: no cluster answers there .*'ray start --head'"):
        ray_engine.connect(address, ROOT)


def test_where_no_cluster_runs_auto_is_refused(monkeypatch):
    def init(*_, **__):
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(UserError, match="^--ray auto: cannot join the cluster .Could not find any .*'ray start"):
        ray_engine.connect("auto", ROOT)


def test_a_job_whose_worker_is_lost_again_and_again_is_given_up(tmp_path):
    def get(answer):
        raise ray.exceptions.ActorDiedError

    fake = SimpleNamespace(
        get=get, wait=lambda answers, timeout: (answers, []), kill=lambda actor: None, exceptions=ray.exceptions
    )
    losses, given_up = Counter(), []
    for _ in range(3):
        lost = ray_engine.RayRun(fake, job(tmp_path, 0), None, "answer", "command", tmp_path, losses, ExitStack())
        assert lost.poll() == 1
        given_up.append(not lost.lost())
    assert given_up == [False, False, True]
    assert lost.reason().startswith("its worker was lost 3 times without a new checkpoint between (")
