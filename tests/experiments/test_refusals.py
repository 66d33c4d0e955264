"""Bad input to run.py and table.py: one line each, exit code 2, earlier results untouched."""

import fcntl
import json
import shutil

import pytest

from experiments import run as run_command
from experiments import table as table_command
from tests.support.commands import refusal, run, succeeded

TINY = ("-c", "experiments/TINY/LSTM.py")


@pytest.fixture
def run_tiny(tiny_data, tmp_path):
    """Returns the arguments of a short run of LSTM on TINY, with more appended."""
    return lambda *more: [
        *TINY,
        "--seeds",
        "0",
        "--epochs",
        "1",
        "--results",
        str(tmp_path / "results"),
        *([] if "--data" in more else ["--data", str(tiny_data)]),
        *more,
    ]


def records(tmp_path):
    return {path: path.read_bytes() for path in (tmp_path / "results").rglob("*-seed0.json")}


def test_a_nan_loss_stops_the_run_and_leaves_earlier_results(run_tiny, tmp_path, capsys):
    run_command.main(run_tiny())
    before = records(tmp_path)
    line = refusal(run_command.main, run_tiny("--set", "lr=1e20", "clip_grad_norm=None"), capsys)
    assert "loss became" in line and "epoch 1" in line and "lower the learning rate" in line
    assert records(tmp_path) == before and len(before) == 1


@pytest.mark.parametrize("damage", ["truncated", "empty", "text"])
def test_a_damaged_checkpoint_is_named_and_deleting_it_is_the_remedy(damage, run_tiny, tmp_path, capsys):
    run_command.main(run_tiny())
    (record,) = records(tmp_path)
    last, model = (record.with_suffix("") / name for name in ("last.pt", "model.pt"))
    record.unlink()
    content = model.read_bytes()
    last.write_bytes({"truncated": content[: len(content) // 2], "empty": b"", "text": b"not a checkpoint"}[damage])
    line = refusal(run_command.main, run_tiny(), capsys)
    assert f"{last} is damaged" in line and "delete it to start this run again" in line
    last.unlink()
    run_command.main(run_tiny())
    assert list(records(tmp_path)) == [record]


@pytest.mark.parametrize("file", ["train_data.npy", "val_timestamps.npy", "test_data.npy"])
@pytest.mark.parametrize("damage", ["truncated", "absent"])
def test_a_damaged_data_set_is_named_before_training(file, damage, run_tiny, tiny_data, tmp_path, capsys):
    shutil.copytree(tiny_data / "TINY", tmp_path / "TINY")
    path = tmp_path / "TINY" / file
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:500])
    else:
        path.unlink()
    line = refusal(run_command.main, run_tiny("--data", str(tmp_path)), capsys)
    assert f"{path} cannot be read" in line and "datasets/simulate.py TINY" in line
    assert not list((tmp_path / "results").rglob("*.pt"))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "other"}', '{"format": "stlora-run-record-1"}'])
def test_a_damaged_record_is_named(content, tmp_path, capsys):
    path = tmp_path / "TINY" / "LSTM" / "joint-base-00000000-seed0.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    line = refusal(table_command.main, ["--dataset", "TINY", "--results", tmp_path], capsys)
    assert path.name in line and "repeat the run" in line


def test_a_table_without_records_says_how_to_get_them(tmp_path, capsys):
    assert "experiments/run.py -c experiments/TINY/LSTM.py" in refusal(
        table_command.main, ["--dataset", "TINY", "--results", tmp_path], capsys
    )


def test_one_cell_is_not_run_by_two_processes_at_once(run_tiny, tmp_path, capsys):
    run_command.main(run_tiny())
    (lock,) = tmp_path.rglob(".lock")
    with open(lock, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "another process is running" in refusal(run_command.main, run_tiny(), capsys)


def test_data_prepared_anew_are_not_mixed_with_a_finished_run(run_tiny, tmp_path, capsys):
    run_command.main(run_tiny())
    succeeded(run("datasets/simulate.py", "SMALL", "--nodes", 12, "--days", 7, "--seed", 3, "--data", tmp_path))
    (tmp_path / "SMALL").rename(tmp_path / "TINY")
    meta = json.loads((tmp_path / "TINY/meta.json").read_text())
    (tmp_path / "TINY/meta.json").write_text(json.dumps({**meta, "name": "TINY"}))
    line = refusal(run_command.main, run_tiny("--data", str(tmp_path)), capsys)
    assert "is of other data than TINY holds now" in line


def test_memory_that_runs_out_is_one_line():
    """torch has an error of its own for it, which is no MemoryError; on a GPU, tests/gpu/test_gpu.py."""
    done = run("-c", "import torch; from stlora_ext.cli import command; command(lambda _: torch.empty(10 ** 15))")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: not enough memory (") and "you tried to allocate" in done.stderr


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ([], "--cuda-graphs: the CPU has no such thing; name a GPU"),
        (["--gpus", "0", "--compile", "--dry-run"], "--cuda-graphs: not with --compile"),
        (
            ["--gpus", "0", "--parts", "2", "--dry-run"],
            "--parts 2: not with --cuda-graphs, whose recorded steps add no",
        ),
        (["--gpus", "0,1", "--dry-run"], "--gpus 0,1: not with --cuda-graphs, whose"),
        (["--gpus", "0", "--set", "adapter.dropout=0.1", "--dry-run"], "--cuda-graphs: not with adapter.dropout"),
        (
            ["--gpus", "0", "--set", "adapter.row_dropout=0.1", "--dry-run"],
            "--cuda-graphs: not with adapter.row_dropout",
        ),
    ],
)
def test_what_recorded_steps_do_not_go_with_is_refused(option, expected, tiny_data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("stlora_ext.host.devices.use_devices", lambda *asked: None)
    assert expected in refusal(
        run_command.main,
        ["-c", "experiments/TINY/LSTM_LoRA.py", "--cuda-graphs", "--data", tiny_data, "--results", tmp_path, *option],
        capsys,
    )


@pytest.mark.parametrize("message", ["CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED when calling a function"])
def test_a_full_gpu_is_one_line_in_all_its_forms(message):
    done = run("-c", f"from stlora_ext.cli import command\ndef main(_): raise RuntimeError({message!r})\ncommand(main)")
    assert done.returncode == 1 and done.stderr.startswith(f"error: not enough memory ({message}): ask for less")
