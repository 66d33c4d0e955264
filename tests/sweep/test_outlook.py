"""How long a whole call of run.py takes is told before its first epoch is over."""

import pytest

from experiments import run as run_command


@pytest.fixture
def run_tiny(tiny_data, tmp_path, capsys):
    """Runs LSTM+ on TINY in epochs of one step, and returns the lines of its progress."""

    def run(*more):
        run_command.main(
            [
                "-c",
                "experiments/TINY/LSTM_LoRA.py",
                "--batch-size",
                "100000",
                "--data",
                str(tiny_data),
                "--results",
                str(tmp_path),
                "--set",
                "model.hidden_size=8",
                "model.end_size=8",
                *more,
            ]
        )
        return capsys.readouterr().err.splitlines()

    return run


def whole(lines: list[str]) -> list[str]:
    return [line.partition("command: ")[2] for line in lines if line.startswith("about ") and "whole command" in line]


def test_without_finished_runs_it_is_timed_once_for_all_seeds(run_tiny):
    lines = run_tiny("--seeds", "0-1", "--epochs", "2")
    assert whole(lines) == ["2 runs x 2 epochs at most (timed over 1 step)"]
    assert lines[0].startswith("memory: ") and lines[1].startswith("about ")
    assert len(lines) == 2 + 4


def test_finished_runs_of_the_same_settings_tell_it_before_anything_runs(run_tiny):
    run_tiny("--seeds", "0", "--epochs", "1")
    lines = run_tiny("--seeds", "0-2", "--epochs", "1")
    assert whole(lines) == ["2 runs, by finished runs of this kind"] and lines[0].startswith("about ")
    assert whole(run_tiny("--seeds", "0-2", "--epochs", "1")) == []  # nothing is left to do
    assert whole(run_tiny("--seeds", "0-2", "--epochs", "1", "--force")) == ["3 runs, by finished runs of this kind"]


@pytest.mark.parametrize(
    "other",
    [["--set", "eval_batch_size=99"], ["--set", "adapter.rank=4"], ["--arm", "wide"], ["--threads", "2"]],
    ids=" ".join,
)
def test_runs_of_other_work_do_not(other, run_tiny):
    run_tiny("--seeds", "0", "--epochs", "1")
    assert "timed over" in whole(run_tiny("--seeds", "1", "--epochs", "1", *other))[0]


def test_backbones_that_are_trained_first_count_as_runs(run_tiny):
    adapt = ["--protocol", "adapt", "--train-backbone", "--epochs", "1"]
    assert whole(run_tiny(*adapt, "--seeds", "0-1")) == ["4 runs x 1 epoch at most (timed over 1 step)"]
    assert whole(run_tiny(*adapt, "--seeds", "1-2")) == ["2 runs, by finished runs of this kind"]
