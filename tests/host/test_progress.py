"""What is told of a long run where no terminal shows a bar: a line every 30 s, and how long the command takes."""

import re

import pytest
from basicts.runners.callback import BasicTSCallback

from stlora_ext.host import progress as progress_module
from stlora_ext.host.launcher import launch_evaluation, launch_training
from stlora_ext.host.progress import EVERY, Outlook, Progress

from .toy import STEPS_PER_EPOCH, our_config, run_ours, same, weights


class Clock:
    """A clock that goes on when it is told to, or by itself at every look."""

    def __init__(self) -> None:
        self.now, self.by_itself = 1000.0, 0.0

    def __call__(self) -> float:
        self.now += self.by_itself
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress_module, "monotonic", clock)
    return clock


class Slow(BasicTSCallback):
    """Lets every training step take some seconds."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds

    def on_optimizer_step(self, runner) -> None:
        self.clock.now += self.seconds


def told(capsys) -> list[str]:
    captured = capsys.readouterr()
    assert not captured.out
    return captured.err.splitlines()


def train(progress: Progress, clock: Clock, steps: int, seconds: float, epochs=(1,)) -> None:
    """Steps of some seconds each."""
    for epoch in epochs:
        for step, _ in enumerate(progress.epoch(range(steps), epoch), start=1):
            clock.now += seconds
            progress.step(lambda step=step: float(step), free=True)


def test_a_line_every_30_seconds_tells_batch_loss_and_time_left(clock, capsys):
    progress = Progress("D/M seed 0")
    progress.begin(2, 1, 10)
    train(progress, clock, 10, 7.0)
    assert told(capsys) == [
        "D/M seed 0 epoch 1/2  batch 5/10  loss 5.000  left 01:45",
        "D/M seed 0 epoch 1/2  batch 10/10  loss 10.000  left 01:10",
    ]


@pytest.mark.parametrize("seconds", [0.5, 7.0, 29.0, 31.0, 45.0])
def test_no_silence_is_longer_than_30_seconds_and_a_step(seconds, clock, capsys, monkeypatch):
    times = [clock.now]
    write = progress_module.tqdm.write
    monkeypatch.setattr(
        progress_module.tqdm, "write", lambda *args, **kwargs: (times.append(clock.now), write(*args, **kwargs))
    )
    progress = Progress("D/M")
    progress.begin(2, 1, 50, evaluated=0.5)
    for epoch in (1, 2):
        train(progress, clock, 50, seconds, [epoch])
        for _ in progress.over(range(25), "validation", 25):
            clock.now += seconds
        progress.epoch_done(epoch, 1.0, 2.0, 2.0, 1.0)
    gaps = [later - earlier for earlier, later in zip(times, [*times[1:], clock.now], strict=True)]
    assert max(gaps) < EVERY + seconds and len(told(capsys)) == len(times) - 1


def test_a_short_epoch_says_nothing_more(clock, capsys):
    progress = Progress("D/M")
    progress.begin(1, 1, 4)
    train(progress, clock, 4, 7.0)
    assert told(capsys) == []


def test_on_a_terminal_the_bar_is_drawn_and_no_lines(clock, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    progress = Progress("D/M")
    progress.begin(1, 1, 20)
    train(progress, clock, 20, 40.0)
    drawn = capsys.readouterr().err
    assert "\r" in drawn and "D/M epoch 1/1" in drawn and "batch 5/20" not in drawn


def test_the_first_steps_tell_how_long_the_whole_command_takes_once(clock, capsys):
    outlook = Outlook(runs=5)
    progress = Progress("D/M")
    progress.outlook = outlook
    clock.now += 60.0  # for a fit, or a backbone's forecasts, in every run
    progress.begin(100, 1, 540, evaluated=0.25)
    clock.now += 90.0  # the first step compiles
    train(progress, clock, 540, 0.125)
    lines = told(capsys)
    seconds = 5 * 100 * 0.125 * 540 * 1.1 + 4 * 60
    assert lines == [
        "D/M epoch 1/100  batch 1/540  loss 1.000  left unknown",
        f"about {progress_module.duration(seconds)} for the whole command: 5 runs x 100 epochs at most "
        "(timed over 20 steps)",
        "D/M epoch 1/100  batch 241/540  loss 241.000  left 2:03:15",
        "D/M epoch 1/100  batch 481/540  loss 481.000  left 2:02:45",
    ]
    other = Progress("D/M")
    other.outlook = outlook
    other.begin(100, 1, 540)
    train(other, clock, 540, 0.01)
    assert not [line for line in told(capsys) if "whole command" in line]


@pytest.mark.parametrize(("steps", "seconds"), [(1, 0.1), (2, 0.1), (3, 50.0), (40, 60.0)])
def test_it_is_told_before_the_first_epoch_is_over(steps, seconds, clock, capsys):
    progress = Progress("D/M")
    progress.outlook = Outlook(1)
    progress.begin(10, 1, steps)
    train(progress, clock, steps, seconds)
    (line,) = [line for line in told(capsys) if "whole command" in line]
    assert line.startswith(f"about {progress_module.duration(10 * steps * seconds)} for the whole command: 1 run x 10")


def test_a_resumed_run_counts_the_epochs_that_are_left(clock, capsys):
    progress = Progress("D/M")
    progress.outlook = Outlook(2)
    progress.begin(100, 91, 10)
    train(progress, clock, 10, 1.0, [91])
    assert told(capsys)[0].startswith(f"about {progress_module.duration(110 * 10)} for the whole command")


def test_a_fit_tells_its_parts_and_the_whole_command(clock, capsys):
    progress = Progress("D/SVR")
    progress.outlook = Outlook(3)
    clock.now += 5
    for part in progress.over(range(10), "fit", 14, 4, "node", whole=True):
        clock.now += 60.0 if part == 0 else 20.0
    lines = told(capsys)
    assert "D/SVR: fit, node 5/14, left 09:00" in lines and "D/SVR: fit, node 13/14, left 00:20" in lines
    assert f"about {progress_module.duration(8 * 20 + 2 * 14 * 20)} for the whole command: 3 runs" in lines


def test_a_run_is_the_same_to_the_bit_whatever_is_told(world, tmp_path, clock, capsys):
    plain = run_ours(world, tmp_path / "plain", num_epochs=3)
    assert not [line for line in told(capsys) if "batch" in line]
    clock.by_itself = 16.0
    watched = launch_training(our_config(world, tmp_path / "watched", num_epochs=3), outlook=Outlook(2))
    lines = told(capsys)
    assert re.search(r"epoch 1/3  batch \d+/\d+  loss [\d.]+  left ", "\n".join(lines))
    assert len([line for line in lines if "for the whole command: 2 runs x 3 epochs at most" in line]) == 1
    assert same(weights(plain), weights(watched)) and plain.test_result == watched.test_result


def test_the_lines_of_a_run_are_those_of_its_epochs(world, tmp_path, clock, capsys):
    run_ours(world, tmp_path, num_epochs=2, callbacks=[Slow(clock, 31.0)])
    within = [line for line in told(capsys) if "batch" in line]
    assert len(within) == 2 * STEPS_PER_EPOCH
    assert f"epoch 2/2  batch {STEPS_PER_EPOCH}/{STEPS_PER_EPOCH}  loss" in within[-1]


def test_a_long_evaluation_tells_how_far_it_is(world, tmp_path, clock, capsys):
    run_ours(world, tmp_path, num_epochs=1)
    capsys.readouterr()
    clock.by_itself = 16.0
    launch_evaluation(our_config(world, tmp_path, test_batch_size=1), str(tmp_path / "best.pt"))
    lines = told(capsys)
    assert lines and all(re.search(r": evaluating, batch \d+/60, left [\d:]+$", line) for line in lines), lines
