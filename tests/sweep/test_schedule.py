"""The schedule: every run once, whoever else works on one, whatever fails, however the sweep ends."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from stlora_ext.runs.failure import read_failures
from stlora_ext.sweep import process, schedule
from tests.support.commands import ROOT
from tests.sweep.stubs import Log, job, processes, runs, sweep, until

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="children die with their parent on Linux only")


def started(results, count=8, workers=2, seconds=0.3):
    """A sweep of stub jobs as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sweep.stubs", results, str(count), str(workers), str(seconds)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(results):
    return {path: path.stat().st_mtime_ns for path in results.rglob("*.json")}


def test_every_job_runs_once_and_no_more_at_a_time_than_there_are_workers(tmp_path):
    jobs, most = [job(tmp_path, seed, 0.2) for seed in range(5)], 0

    def look():
        nonlocal most
        while len(finished(tmp_path)) < 5:
            most = max(most, len(processes(tmp_path)) if (tmp_path / "runs.txt").exists() else 0)
            time.sleep(0.02)

    watching = threading.Thread(target=look)
    watching.start()
    failures, _ = sweep(tmp_path, jobs)
    watching.join()
    assert not failures and sorted(runs(tmp_path)) == sorted(job.key.path.name for job in jobs)
    assert most == 2
    assert sweep(tmp_path, jobs) == ([], []) and len(runs(tmp_path)) == 5


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (2, "this run fails: mend it"),
        (1, "RuntimeError: memory is out (exit code 1)"),
        (-signal.SIGKILL, "killed by SIGKILL (the system does so when memory runs out)"),
        (-signal.SIGSEGV, "killed by SIGSEGV"),
    ],
)
def test_a_job_that_fails_is_told_with_its_reason_and_command_and_the_others_go_on(code, reason, tmp_path):
    jobs = [job(tmp_path, 0), job(tmp_path, 1, 0.0, code), job(tmp_path, 2)]
    (failure,), lines = sweep(tmp_path, jobs, workers=1)
    assert failure.job == jobs[1] and failure.reason == reason
    assert failure.command.startswith("python tests/sweep/stub_job.py") and '\'{"dataset": "D"' in failure.command
    assert failure.log.read_text().startswith(f"$ {failure.command}")
    assert lines == ["D/M joint base seed 0 here", "D/M joint base seed 1 failed", "D/M joint base seed 2 here"]


def test_a_job_that_needs_another_begins_after_it(tmp_path):
    base = job(tmp_path, 0, 0.5)
    plus = job(tmp_path, 0, needs=base)
    assert not sweep(tmp_path, [plus, base, job(tmp_path, 1)], workers=3)[0]
    assert runs(tmp_path).index(base.key.path.name) < runs(tmp_path).index(plus.key.path.name)
    assert base.key.record_path(tmp_path).stat().st_mtime_ns < plus.key.record_path(tmp_path).stat().st_mtime_ns


def test_a_job_whose_base_failed_is_not_started(tmp_path):
    base = job(tmp_path, 0, 0.0, 2)
    failures, _ = sweep(tmp_path, [base, job(tmp_path, 0, needs=base), job(tmp_path, 1)])
    assert [failure.reason for failure in failures] == [
        "this run fails: mend it",
        "not started: D/M joint base seed 0 failed, whose weights it adapts",
    ]
    assert len(runs(tmp_path)) == 2


def test_a_failure_is_kept_though_the_sweep_is_stopped(tmp_path, monkeypatch):
    failing = job(tmp_path, 0, 0.0, 2)
    monkeypatch.setattr(Log, "failed", lambda *_: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(KeyboardInterrupt):
        sweep(tmp_path, [failing, job(tmp_path, 1)], workers=1)
    assert read_failures(tmp_path, "D") == [(failing.key, "this run fails: mend it")]


@pytest.mark.parametrize("ends_well", [True, False])
def test_a_job_of_another_process_is_left_to_it_and_taken_over_if_it_dies(ends_well, tmp_path, monkeypatch):
    monkeypatch.setattr(schedule, "LOOK_AGAIN", 0.2)
    jobs = [job(tmp_path, 0), job(tmp_path, 1)]
    other = subprocess.Popen([sys.executable, *job(tmp_path, 0, 1.5).arguments], cwd=ROOT)
    until(lambda: (tmp_path / "runs.txt").exists())
    if not ends_well:
        threading.Timer(0.8, other.kill).start()
    failures, lines = sweep(tmp_path, jobs)
    other.wait()
    assert not failures
    assert lines == [
        "D/M joint base seed 0 waits",
        "D/M joint base seed 1 here",
        f"D/M joint base seed 0 {'elsewhere' if ends_well else 'here'}",
    ]
    assert len(runs(tmp_path)) == (2 if ends_well else 3)


def test_a_job_that_another_process_locks_just_before_it_starts_is_no_failure(tmp_path, monkeypatch):
    """Between the sweep's look at the lock and the run's own: the run refuses, and the sweep waits."""
    monkeypatch.setattr(schedule, "LOOK_AGAIN", 0.2)
    monkeypatch.setattr(schedule, "is_running", lambda folder: False)
    one = job(tmp_path, 0)
    folder = tmp_path / one.key.path
    folder.mkdir(parents=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        threading.Timer(0.6, fcntl.flock, [lock, fcntl.LOCK_UN]).start()
        failures, lines = sweep(tmp_path, [one])
    assert not failures and lines[0].endswith("waits") and lines[-1].endswith("here")


@pytest.mark.slow
def test_two_sweeps_over_one_folder_never_run_the_same_job(tmp_path):
    sweeps = [started(tmp_path, count=8) for _ in range(2)]
    outputs = [each.communicate(timeout=120)[0] for each in sweeps]
    assert [each.returncode for each in sweeps] == [0, 0]
    assert len(runs(tmp_path)) == len(set(runs(tmp_path))) == 8
    assert sum(output.count(" here") for output in outputs) == 8, outputs


@pytest.mark.slow
@LINUX
def test_a_killed_sweep_leaves_no_process(tmp_path):
    killed = started(tmp_path, seconds=60)
    until(lambda: (tmp_path / "runs.txt").exists() and len(runs(tmp_path)) == 2)
    killed.kill()
    killed.communicate()
    until(lambda: not processes(tmp_path), 10)


@pytest.mark.slow
def test_after_a_killed_sweep_the_next_one_repeats_nothing(tmp_path):
    killed = started(tmp_path, seconds=0.5)
    until(lambda: len(finished(tmp_path)) >= 3)
    killed.kill()
    killed.communicate()
    until(lambda: not processes(tmp_path), 10)
    before = finished(tmp_path)
    assert 3 <= len(before) < 8
    failures, _ = sweep(tmp_path, [job(tmp_path, seed) for seed in range(8)])
    after = finished(tmp_path)
    assert not failures and len(after) == 8
    assert {path: after[path] for path in before} == before
    assert all(runs(tmp_path).count(path.stem) == 1 for path in before)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sweep_interrupts_its_runs_and_ends_with_130(number, tmp_path):
    stopped = started(tmp_path, seconds=60)
    until(lambda: (tmp_path / "runs.txt").exists() and len(runs(tmp_path)) == 2)
    os.kill(stopped.pid, number)
    output, _ = stopped.communicate(timeout=30)
    assert stopped.returncode == 130, output
    assert len(list(tmp_path.rglob("stopped"))) == 2 and not processes(tmp_path)
    assert not finished(tmp_path)


def test_a_job_that_another_process_finishes_just_before_it_starts_counts_as_the_others(tmp_path):
    one = job(tmp_path, 0)
    late = job(tmp_path, 0)
    assert sweep(tmp_path, [one])[1] == ["D/M joint base seed 0 here"]
    late_run = process.JobProcess(late, [], 1, ROOT, tmp_path)
    until(lambda: late_run.poll() is not None)
    assert late_run.found() and not late_run.taken() and len(runs(tmp_path)) == 1


def test_what_the_sweep_reads_in_a_runs_output_is_what_runs_say():
    lock = (ROOT / "stlora_ext/runs/lock.py").read_text()
    assert f'raise UserError(f"{process._TAKEN.removeprefix("error: ")}' in lock
    assert process._FOUND in (ROOT / "experiments/run.py").read_text()
