"""What an update in service refuses: one line, and nothing is written or lost."""

import json
import resource
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from experiments import update
from stlora_ext.lora.files import read_adapter
from tests.support.commands import refusal, refused, run
from tests.support.reopened import finished
from tests.support.served import (
    MEMORY,
    SETTINGS,
    arguments,
    backbone,
    described,
    difference,
    memory_before,
    start_of,
    streamed,
    tensors,
    updated,
)

NOW = start_of(0)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The service file of a first update."""
    return updated(finished("LSTM"), memory_before(NOW), tmp_path_factory.mktemp("first") / "1.safetensors", *SETTINGS)


@pytest.fixture
def refuse(tmp_path, capsys):
    """Returns the line that refuses an update with a table of readings; it leaves no file behind."""

    def line(path, table, *more, output=tmp_path / "new.safetensors"):
        table.to_csv(tmp_path / "recent.csv")
        before = output.read_bytes() if output.exists() else None
        answer = refusal(update.main, arguments(path, tmp_path / "recent.csv", output, *more), capsys)
        assert (output.read_bytes() if output.exists() else None) == before
        assert not list(tmp_path.glob(".*.tmp"))
        return answer

    return line


def test_a_row_too_few_is_refused_with_the_first_time_that_is_missing(refuse, tmp_path):
    table = memory_before(NOW)
    answer = refuse(finished("LSTM"), table.iloc[1:], *SETTINGS)
    assert f"{str(table.index[0])[:16]} is missing: expected {MEMORY + 12} rows up to" in answer
    assert "the memory of 0.5 days (stream.memory)" in answer and "bring the earlier readings too" in answer
    updated(finished("LSTM"), table, tmp_path / "enough.safetensors", *SETTINGS)


@pytest.mark.parametrize("rows", [[0], [5], [70, 71, 72], [30, 90]], ids=str)
def test_a_row_that_is_missing_in_time_is_named(rows, refuse):
    table = memory_before(NOW, MEMORY + 13 if rows == [0] else MEMORY + 12)
    if rows == [0]:
        rows = [1]  # the first that is read, with one before it
    answer = refuse(finished("LSTM"), table.drop(table.index[rows]), *SETTINGS)
    assert f"recent.csv: {str(table.index[rows[0]])[:16]} is missing" in answer and "--fill-gaps" in answer


def test_times_off_the_interval_are_refused(refuse):
    table = memory_before(NOW)
    moved = table.index.to_numpy().copy()
    moved[100:] += np.timedelta64(1, "m")
    answer = refuse(finished("LSTM"), table.set_axis(pd.Index(moved, name="time")), *SETTINGS)
    assert "6 minutes after the row before: expected steps of 5 minutes" in answer


def test_readings_that_were_seen_are_refused_unless_asked_again(first, refuse, tmp_path):
    seen = memory_before(NOW)
    older = memory_before(NOW - 7)
    outage = memory_before(NOW + 9)
    outage.iloc[-9:] = np.nan
    for table in (seen, older, outage):
        answer = refuse(first, table, *backbone())
        assert f"no reading after {seen.index[-1]}, up to which {first} has been updated" in answer
        assert "bring newer readings, go on from an older file, or give --again" in answer
    again = updated(first, seen, tmp_path / "again.safetensors", *backbone(), "--again")
    assert described(again)["service"]["update"] == 2 and described(again)["service"]["updates"][1]["readings"] == 0
    assert difference(again, first) > 0
    back = updated(first, older, tmp_path / "back.safetensors", *backbone(), "--again")
    assert f"no reading after {seen.index[-1]}" in refuse(back, seen, *backbone())
    updated(first, memory_before(NOW + 1), tmp_path / "one_new_row.safetensors", *backbone())


def test_what_a_run_of_the_protocol_has_seen_is_refused_too(refuse, tmp_path):
    record = streamed("LSTM+")
    last = memory_before(start_of(2))
    assert f"no reading after {last.index[-1]}" in refuse(record, last)
    back = updated(record, memory_before(start_of(1)), tmp_path / "back.safetensors", "--again")
    model = ("--backbone", record.with_suffix("") / "model.pt")
    assert f"no reading after {last.index[-1]}" in refuse(back, last, *model)
    updated(back, memory_before(start_of(2) + 1), tmp_path / "one_new_row.safetensors", *model)


def test_an_output_that_is_there_is_kept(first, refuse, tmp_path):
    old = shutil.copy(first, tmp_path / "old.safetensors")
    table = memory_before(start_of(1))
    assert "exists: name a new file, or replace it with --force" in refuse(first, table, *backbone(), output=old)
    updated(first, table, tmp_path / "old.safetensors", *backbone(), "--force")
    assert described(old)["service"]["update"] == 2


def test_nothing_that_is_read_is_replaced(first, refuse, tmp_path):
    own = shutil.copy(first, tmp_path / "own.safetensors")
    (tmp_path / "link.safetensors").symlink_to(own)
    table = memory_before(start_of(1))
    for output in (own, tmp_path / "link.safetensors"):
        assert "is the file that is updated" in refuse(own, table, *backbone(), "--force", output=output)
    record = streamed("LSTM+")
    source = record.with_suffix("") / "service.safetensors"
    assert "is the file that is updated" in refuse(record, memory_before(start_of(3)), "--force", output=source)
    assert "ends in .safetensors" in refuse(own, table, *backbone(), output=tmp_path / "new.pt")


def test_an_update_that_diverges_leaves_what_was_there(first, refuse, tmp_path):
    old = shutil.copy(first, tmp_path / "old.safetensors")
    table = memory_before(start_of(1))
    more = (*backbone(), "--set", "stream.lr=1e30")
    answer = refuse(first, table, *more, "--force", output=old)
    assert "lower" in answer and "--set stream.lr=" in answer
    lower = updated(first, table, tmp_path / "lower.safetensors", *backbone(), "--set", "stream.lr=1e-4")
    assert described(lower)["service"]["stream"]["lr"] == 1e-4


def test_a_memory_without_anything_to_learn_from_is_refused(refuse):
    empty = memory_before(NOW) * np.nan
    assert "hold no reading at all: bring rows with readings" in refuse(finished("LSTM"), empty, *SETTINGS)
    few = refuse(finished("LSTM"), memory_before(NOW), "--set", "stream.memory=0.05")
    assert "holds no window of 12 + 12 rows" in few and "a longer memory, --set stream.memory=DAYS" in few


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["lr=0.1"], "--set lr: an update reads stream.X and adapter.X only"),
        (["model.hidden_size=4"], "--set model.hidden_size: an update reads stream.X"),
        (["stream.memry=2"], "unknown key 'stream.memry': did you mean 'stream.memory'"),
        (["stream.every=12"], "in service an update is made when you ask for it; leave it out"),
        (["stream.start=adapted"], "starts from 'zero'; leave it out"),
        (["stream.lr=0.003"], "it is 0.003 without it; leave it out"),
        (["stream.steps=0"], "an update of no steps changes nothing; give --set stream.steps=20"),
        (["stream.memory=-1"], "stream.memory=-1.0: expected a number above 0"),
        (["adapter.rank=0"], "adapter rank=0: expected a whole number of at least 1"),
    ],
)
def test_a_setting_that_an_update_cannot_take_is_refused(settings, said, refuse):
    assert said in refuse(finished("LSTM"), memory_before(NOW), "--set", *settings)


def test_settings_of_the_adapter_and_the_seed_are_a_first_updates(first, refuse, tmp_path):
    table = memory_before(start_of(1))
    own = updated(finished("LSTM"), table, tmp_path / "own.safetensors", *SETTINGS, "adapter.rank=2", "--seed", 7)
    assert described(own)["settings"]["rank"] == 2 and described(own)["service"]["seed"] == 7
    assert "whose settings stay; leave it out" in refuse(first, table, *backbone(), "--set", "adapter.rank=2")
    assert "is updated with seed 0; leave it out" in refuse(first, table, *backbone(), "--seed", 7)
    assert "seeds=[-1]" in refuse(finished("LSTM"), table, "--seed", -1)


def test_what_cannot_be_updated_says_what_can(refuse, tmp_path):
    table = memory_before(start_of(3))
    finetuned = streamed("LSTM", "finetune")
    assert "only an adapter is updated in service; give the run of LSTM" in refuse(finetuned, table)
    folder = streamed("LSTM+").with_suffix("")
    assert f"give {folder / 'service.safetensors'}" in refuse(folder / "adapter.safetensors", table)
    assert "only an adapter file (.safetensors) needs one" in refuse(finished("LSTM"), table, *backbone())
    alone = shutil.copy(folder / "service.safetensors", tmp_path)
    assert "has no model.pt beside it: name one with --backbone PATH" in refuse(tmp_path / "service.safetensors", table)
    assert "belongs to other weights of LSTM" in refuse(
        tmp_path / alone, table, "--backbone", finished("LSTM", seed=1).with_suffix("") / "model.pt"
    )
    record = shutil.copytree(folder, tmp_path / folder.name)
    shutil.copy(folder.with_suffix(".json"), tmp_path)
    (record / "service.safetensors").unlink()
    assert "service.safetensors is not there" in refuse(tmp_path / f"{folder.name}.json", table)


def test_a_base_arm_of_the_protocol_begins_as_its_backbone_does(tmp_path):
    table = memory_before(NOW)
    by_stream = updated(streamed("LSTM", "base"), table, tmp_path / "stream.safetensors", *SETTINGS)
    by_base = updated(finished("LSTM"), table, tmp_path / "base.safetensors", *SETTINGS)
    assert difference(by_stream, by_base) == 0


def changed(path, folder, change=lambda about: None, drop=(), **put):
    """A copy of a file that says or holds something else."""
    about = read_adapter(path)[0]
    change(about)
    held = {name: tensor for name, tensor in tensors(path).items() if not name.startswith(tuple(drop))} | put
    save_file(held, folder / "changed.safetensors", metadata={"stlora": json.dumps(about)})
    return folder / "changed.safetensors"


@pytest.mark.parametrize(
    "change",
    [
        lambda about: about.update(service=[]),
        lambda about: about.update(service={}),
        lambda about: about["service"].update(update="1"),
        lambda about: about["service"].update(update=-1),
        lambda about: about["service"].update(update=True),
        lambda about: about["service"].update(seed=None),
        lambda about: about["service"].update(seed=2**40),
        lambda about: about["service"].update(stream={"steps": "20"}),
        lambda about: about["service"].update(stream={"no": 1}),
        lambda about: about["service"].update(updates=5),
        lambda about: about["service"].update(updates=[{"until": "yesterday"}]),
        lambda about: about["service"].update(updates=[{"until": 5}]),
        lambda about: about["service"].update(updates=[{"index": 0}]),
        lambda about: about["service"].update(updates=["x"]),
        lambda about: about["service"]["updates"][0].update(until="2024-01-02T00:00:00+01:00"),
    ],
)
def test_a_file_whose_account_of_itself_is_damaged_is_refused(change, first, refuse, tmp_path):
    answer = refuse(changed(first, tmp_path, change), memory_before(start_of(1)), *backbone())
    assert "service file" in answer and "is damaged (" in answer and "go on from an older one" in answer


def test_what_a_file_says_of_its_sensors_is_kept(first, tmp_path):
    expanded = changed(first, tmp_path, lambda about: about.update(added=[1]))
    second = updated(expanded, memory_before(start_of(1)), tmp_path / "2.safetensors", *backbone())
    assert described(second)["added"] == [1] and described(second)["names"] == described(first)["names"]
    assert described(first)["names"] == list(memory_before(NOW).columns)


def test_lost_or_damaged_moments_are_refused(first, refuse, tmp_path):
    table = memory_before(start_of(1))
    name = next(name for name in tensors(first) if name.startswith("adam.exp_avg."))
    step = next(name for name in tensors(first) if name.startswith("adam.step."))
    for file in (
        lambda: changed(first, tmp_path, drop=("adam.",)),
        lambda: changed(first, tmp_path, drop=("adam.exp_avg_sq.",)),
        lambda: changed(first, tmp_path, **{name: torch.zeros(3)}),
        lambda: changed(first, tmp_path, **{step: torch.zeros(3)}),
    ):
        answer = refuse(file(), table, *backbone())
        assert "is damaged (" in answer and "go on from an older one" in answer


def test_times_follow_the_data_sets_zone(tmp_path, capsys):
    import prepare
    from experiments import run as run_command

    times = pd.date_range("2024-10-01", periods=28 * 24, freq="h", tz="Europe/Berlin", name="time")
    values = 100 + times.hour.to_numpy()[:, None] + np.arange(3.0)
    table = pd.DataFrame(values, times, ["a", "b", "c"])
    table.to_csv(tmp_path / "mine.csv")
    places = ["--data", str(tmp_path / "data"), "--results", str(tmp_path / "results")]
    prepare.main(["MINE", "--raw", str(tmp_path / "mine.csv"), "--timezone", "Europe/Berlin", *places[:2]])
    run_command.main(["--dataset", "MINE", "--model", "HA", *places])
    (record,) = (tmp_path / "results").rglob("*all-seeds.json")

    def update_with(rows, path, output, *more):
        table.iloc[:rows].to_csv(tmp_path / "recent.csv")
        words = [path, "--input", tmp_path / "recent.csv", "--output", output, *places, *more]
        update.main([str(word) for word in words])
        return described(output)["service"]["updates"][-1]

    more = ("--set", "stream.memory=3", "stream.steps=2")
    one = update_with(26 * 24 + 3, record, tmp_path / "1.safetensors", *more)  # 02:00 of summer time
    assert one["until"] == "2024-10-27T02:00:00+02:00"
    model = ("--backbone", record.with_suffix("") / "model.pt")
    two = update_with(26 * 24 + 4, tmp_path / "1.safetensors", tmp_path / "2.safetensors", *model)
    assert two["until"] == "2024-10-27T02:00:00+01:00" and two["readings"] == 3


def test_the_command_refuses_in_one_line(first, tmp_path):
    memory_before(NOW).to_csv(tmp_path / "recent.csv")
    words = arguments(first, tmp_path / "recent.csv", tmp_path / "new.safetensors", *backbone())
    assert "holds no reading after" in refused(run("experiments/update.py", *words))


def test_a_file_that_cannot_be_written_whole_leaves_the_old_one(first, tmp_path):
    memory_before(start_of(1)).to_csv(tmp_path / "recent.csv")
    old = shutil.copy(first, tmp_path / "old.safetensors")
    words = arguments(first, tmp_path / "recent.csv", old, *backbone(), "--force")
    limit = first.stat().st_size // 2
    failed = run(
        "experiments/update.py", *words, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )
    assert failed.returncode == 1 and "old.safetensors" in failed.stderr and "Traceback" not in failed.stderr
    assert old.read_bytes() == first.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.safetensors", "recent.csv"]
