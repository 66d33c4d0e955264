"""Bad input to run.py and table.py: one line each, exit code 2, earlier results untouched."""

import fcntl
import json
import shutil

import pytest

from experiments import run as run_command
from experiments import table as table_command
from tests.commands import refusal, refused, run, succeeded

TINY = ("-c", "experiments/TINY/LSTM.py")


@pytest.fixture
def run_tiny(tiny_data, tmp_path):
    """Returns the arguments of a short run of LSTM on TINY, with more appended."""
    return lambda *more: [*TINY, "--seeds", "0", "--epochs", "1", "--data", str(tiny_data), "--results",
                          str(tmp_path / "results"), *more]


def records(tmp_path):
    return {path: path.read_bytes() for path in (tmp_path / "results").rglob("*-seed0.json")}


@pytest.mark.parametrize(("arguments", "expected"), [
    (["-c", "experiments/TINY/LSTMM.py"], "did you mean 'experiments/TINY/LSTM.py'"),
    ([*TINY, "--set", "num_epoch=5"], "unknown key 'num_epoch': did you mean 'num_epochs'"),
    ([*TINY, "--set", "model.hiden_size=5"], "did you mean 'model.hidden_size'"),
    ([*TINY, "--set", "model.num_nodes=5"], "unknown key 'model.num_nodes'"),
    ([*TINY, "--set", "lr=fast"], "lr='fast': expected float"),
    ([*TINY, "--set", "lr=-1"], "expected lr > 0"),
    ([*TINY, "--set", "lr_gamma=-1"], "lr_gamma=-1.0: expected a factor above 0 and at most 1"),
    ([*TINY, "--set", "num_epochs=True"], "num_epochs=True: expected int"),
    ([*TINY, "--set", "lr_milestones=3"], "expected a list such as [1, 50]"),
    ([*TINY, "--set", "lr"], "expected key=value"),
    ([*TINY, "--epochs", "0"], "--epochs: '0' is not a whole number of at least 1"),
    ([*TINY, "--seeds", "a"], "'a' is not a number or a range"),
    ([*TINY, "--seeds", "4-2"], "'4-2' is not a number or a range"),
    ([*TINY, "--threads", "0"], "--threads: '0' is not a whole number"),
    ([*TINY, "--gpus", "0,1"], "python experiments/sweep.py --gpus 0,1"),
    ([*TINY, "--gpus", "cuda"], "one run uses one GPU, named by its number"),
    ([*TINY, "--gpus", "99"], "on the CPU: the same command with --gpus ''"),
    (["-c", "experiments/PEMS08/LSTM.py"], "bring PEMS08.npz and PEMS08.csv and run: python datasets/prepare.py"),
    ([*TINY, "--set", "input_len=6"], "prepare it again under another name with --input-len 6"),
    (["-c", "experiments/TINY/GWNet.py", "--compile"], "--compile: not tested with GWNet, only with LSTM, STGCN"),
    (["-c", "experiments/TINY/STGCN_LoRA.py", "--bf16"], "--bf16: not tested with STGCN, only with LSTM, AGCRN"),
    (["-c", "experiments/TINY/HA.py", "--bf16"], "--bf16: not tested with HA"),
    ([*TINY, "--epoch", "3"], "unrecognized arguments: --epoch 3"),
    ([], "-c/--config"),
])
def test_a_mistake_on_the_command_line_is_one_line(arguments, expected, tiny_data, tmp_path, capsys):
    line = refusal(run_command.main, [*arguments, "--data", tiny_data, "--results", tmp_path], capsys)
    assert expected in line
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(("text", "expected"), [
    ('CFG = experiment("TINY", "LSTM", num_epoch=5)', "mine.py: unknown key 'num_epoch': did you mean 'num_epochs'"),
    ('CFG = experiment("TINY", "LSMT")', "mine.py: unknown model 'LSMT': did you mean 'LSTM'"),
    ('CFG = experiment("TINY", "LSTM", model_settings={"layers": 3})', "mine.py: unknown key 'model.layers'"),
    ('CFG = experiment("TINY", "LSTM"', "mine.py, line 2: SyntaxError"),
    ("CFG = 3", "mine.py: expected CFG = experiment(DATASET, MODEL, ...), found int"),
    ("", "found no CFG"),
    ("1 / 0", "mine.py, line 2: ZeroDivisionError"),
    ('CFG = experiment("TINI", "LSTM")', "data set 'TINI' is not in"),
])
def test_a_mistake_in_a_config_names_the_file(text, expected, tiny_data, tmp_path, capsys):
    config = tmp_path / "mine.py"
    config.write_text(f"from experiments.defaults import experiment\n{text}\n")
    assert expected in refusal(run_command.main, ["-c", config, "--data", tiny_data, "--results", tmp_path], capsys)


def test_a_refusal_is_the_last_line_and_the_exit_code_is_2(tmp_path):
    assert "did you mean 'num_epochs'" in refused(run("experiments/run.py", *TINY, "--set", "num_epoch=5"))
    assert "no records of 'TINY'" in refused(
        run("experiments/table.py", "--dataset", "TINY", "--results", tmp_path))


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
    last.write_bytes({"truncated": content[:len(content) // 2], "empty": b"", "text": b"not a checkpoint"}[damage])
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
        table_command.main, ["--dataset", "TINY", "--results", tmp_path], capsys)


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
    assert "was measured on other data" in refusal(run_command.main, run_tiny("--data", str(tmp_path)), capsys)
