"""What a sweep shows where no terminal draws its bar."""

from types import SimpleNamespace

import pytest

from stlora_ext.runs.key import RunKey
from stlora_ext.sweep import show
from stlora_ext.sweep.estimate import Estimates
from stlora_ext.sweep.job import Job

JOBS = [Job(RunKey("D", "M", "joint", "base", "0" * 8, seed), (), "sha256:0", 10) for seed in range(3)]


@pytest.fixture
def clock(monkeypatch):
    """The display's clock, which stands still until it is set."""
    times = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(show, "monotonic", lambda: times.now)
    return times


def test_a_line_every_30_seconds_tells_what_runs_and_the_time_left(tmp_path, clock, capsys):
    estimates = Estimates(tmp_path, set())
    estimates.measured(JOBS[0], 100.0)
    display = show.Display(3, 0, estimates, 2)
    running = [SimpleNamespace(job=job, started=clock.now) for job in JOBS[:2]]
    for _ in range(130):
        display.tick(JOBS, running, 2)
        clock.now += 0.5
    assert capsys.readouterr().out.splitlines() == [
        f"[0/3] 2 running: D/M joint base seed 0, D/M joint base seed 1; left {left}" for left in ("02:00", "01:30")
    ]
    display.close()


def test_the_30_seconds_count_from_the_last_line(tmp_path, clock, capsys):
    display = show.Display(3, 0, Estimates(tmp_path, set()), 2)
    clock.now += 29.0
    display.waiting(JOBS[2])
    capsys.readouterr()
    clock.now += 29.0
    display.tick(JOBS, [], 2)
    assert not capsys.readouterr().out
    clock.now += 1.0
    display.tick(JOBS, [], 2)
    assert capsys.readouterr().out == "[0/3] 0 running: others wait for other processes; left unknown\n"
    display.close()
