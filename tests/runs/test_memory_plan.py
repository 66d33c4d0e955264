"""A run that needs more memory than there is takes its steps in parts, or is refused with what would fit."""

import re
from dataclasses import replace

import pytest

from experiments import run as run_command
from stlora_ext.data.prepared import load_meta
from stlora_ext.errors import UserError
from stlora_ext.files import write_json
from stlora_ext.runs import memory_plan as module
from stlora_ext.runs.build import build_model
from stlora_ext.runs.memory_need import memory_need
from stlora_ext.runs.memory_plan import MARGIN, RESERVE, memory_plan
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.rerun import rebuild
from stlora_ext.runs.store import read_record
from tests.support.commands import refusal
from tests.support.small import NODES, data_folder, meta, small_experiment

OPTIONS = RunOptions(data_folder(NODES))


@pytest.fixture
def machine(monkeypatch):
    """Returns a function that sets how much memory is free."""

    def has(num_bytes):
        monkeypatch.setattr(module, "free_bytes", lambda device: int(num_bytes))

    has(2**40)
    return has


def built(name, **settings):
    exp = small_experiment(name, **settings).with_lengths(12, 12)
    return build_model(exp, meta(), data_folder(NODES)), exp


def planned(model, exp, options=OPTIONS, work=None):
    return memory_plan(model, exp, meta(), options, work)


def training(model, exp, parts=1, batch=None):
    """The free memory that a step in parts just fits into."""
    need = memory_need(model, exp, meta(), OPTIONS.device, 2**40)
    return RESERVE + MARGIN * need.training(batch or exp.training.batch_size, parts) + 2


def test_where_there_is_room_a_step_is_whole(machine):
    model, exp = built("AGCRN+")
    plan = planned(model, exp)
    assert (plan.parts, plan.eval_batch_size) == (1, 64)
    assert re.fullmatch(r"memory: about \d+ MiB of 1024\.0 GiB available", plan.line)


def test_freed_memory_is_given_back_where_less_than_twice_the_need_is_free(machine):
    model, exp = built("LSTM")
    needed = planned(model, exp).needed
    for free, tight in ((1.9, True), (2.1, False)):
        machine(RESERVE + free * needed)
        assert planned(model, exp).tight is tight


def test_a_batch_holds_no_more_windows_than_there_are(machine):
    few, many = (
        planned(*built("LSTM", batch_size=size, eval_batch_size=size)) for size in (max(meta().windows.values()), 10**6)
    )
    assert few.line == many.line and (few.parts, many.eval_batch_size) == (1, 10**6)


@pytest.mark.parametrize("name", ["LSTM", "AGCRN+", "STAE", "STID+"])
@pytest.mark.parametrize("parts", [2, 3, 8])
def test_the_fewest_parts_that_fit_are_taken(name, parts, machine):
    model, exp = built(name, eval_batch_size=1)
    machine(training(model, exp, parts))
    plan = planned(model, exp)
    assert plan.parts == parts
    assert plan.line.endswith(f", in {parts} parts of {-(-exp.training.batch_size // parts)} windows")
    asked = planned(model, exp, replace(OPTIONS, parts=parts + 1))
    assert asked.parts == parts + 1  # the user's number wins


def test_an_evaluation_that_does_not_fit_is_done_in_smaller_batches(machine):
    model, exp = built("LSTM", batch_size=1)
    need = memory_need(model, exp, meta(), OPTIONS.device, 2**40)
    machine(RESERVE + MARGIN * need.evaluating(20) + 2)
    plan = planned(model, exp)
    assert plan.eval_batch_size == 20 and plan.line.endswith("evaluated in batches of 20 windows")
    applied, options = plan.applied(exp, OPTIONS)
    assert (applied.training.eval_batch_size, options.parts) == (20, 1)


@pytest.mark.parametrize("name", ["GWNet", "D2STGNN+", "DUET"])
def test_what_cannot_be_trained_in_parts_is_refused_with_a_batch_that_fits(name, machine):
    model, exp = built(name, eval_batch_size=1)
    machine(training(model, exp, batch=5))
    with pytest.raises(UserError, match=", so it can't be trained in parts: --batch-size ") as refused:
        planned(model, exp)
    assert f"training on {exp.training.batch_size} windows" in str(refused.value)
    assert "--batch-size 5 (about" in str(refused.value) and "--parts 1" in str(refused.value)
    assert planned(*built(name, eval_batch_size=1, batch_size=5)).parts == 1  # the remedies work
    assert planned(model, exp, replace(OPTIONS, parts=1)).line.endswith("it may not fit (--parts 1 was asked for)")


def test_bfloat16_is_offered_where_it_is_tested_and_fits(machine):
    model, exp = built("AGCRN", batch_size=1, eval_batch_size=1)
    need = memory_need(model, exp, meta(), OPTIONS.device, 2**40)
    bf16 = replace(exp, training=replace(exp.training, bf16=True))
    narrow = memory_need(model, bf16, meta(), OPTIONS.device, 2**40)
    assert narrow.training(1) < need.training(1)
    machine(RESERVE + MARGIN * narrow.training(1) + 2)
    with pytest.raises(UserError, match=r"--bf16 \(about"):
        planned(model, exp)
    assert planned(model, bf16).parts == 1
    model, exp = built("LSTM", batch_size=1)  # on a CPU it takes more in bfloat16
    machine(training(model, exp) - 9)
    with pytest.raises(UserError, match=r"^(?!.*--bf16)"):
        planned(model, exp)


def test_a_run_without_any_room_is_refused(machine):
    machine(1000)
    with pytest.raises(UserError, match="one by one needs about .* with 1 MiB available: free memory"):
        planned(*built("LSTM"))
    with pytest.raises(UserError, match="forecasting a single window beside the data needs about"):
        planned(*built("LSTM"), replace(OPTIONS, parts=64))


def test_an_interrupted_run_keeps_its_parts_if_they_fit(machine, tmp_path):
    model, exp = built("LSTM")
    write_json(tmp_path / "cfg.json", {"parts": 4, "val_batch_size": 16})
    assert planned(model, exp, work=tmp_path).parts == 1  # nothing of it is done
    (tmp_path / "last.pt").touch()
    plan = planned(model, exp, work=tmp_path)
    assert (plan.parts, plan.eval_batch_size) == (4, 16)
    assert planned(model, exp, replace(OPTIONS, parts=2), tmp_path).parts == 2
    machine(training(model, exp, 11))
    assert planned(model, exp, work=tmp_path).parts == 11


def test_a_model_that_fails_is_left_to_its_run(machine):
    model, exp = built("LSTM")
    model.forward = None
    assert planned(model, exp).line.startswith("memory: can't be told beforehand (TypeError: ")


@pytest.mark.parametrize(
    ("name", "protocol", "arm"),
    [
        ("HA", None, None),
        ("VAR+", None, None),
        ("LSTM+", "adapt", "control"),
        ("LSTM+", "stream", "base"),
        ("LSTM+", "stream", "plus"),
        ("LSTM+", "stream", "finetune"),
        ("VAR+", "stream", "plus"),
        ("LSTM+", "new-sensors", "base"),
        ("LSTM+", "new-sensors", "plus"),
        ("LSTM+", "new-sensors", "full"),
    ],
)
def test_the_line_is_one_of_every_protocol_and_arm(name, protocol, arm, machine):
    exp = small_experiment(name)
    exp = exp.with_protocol(protocol).with_arm(arm) if protocol else exp
    exp = exp.with_lengths(12, 12)
    line = planned(build_model(exp, meta(), data_folder(NODES)), exp).line
    told = "not estimated for HA, which is fitted; 1024.0 GiB available" if name == "HA" else "about "
    assert line.startswith(f"memory: {told}")


def tiny(data, results, *more):
    """The command line of a small run."""
    model = ["--dataset", "TINY", "--model", "LSTM+", "--set", "model.hidden_size=8", "model.end_size=8"]
    return [*model, "--data", str(data), "--results", str(results), "--seeds", "0-1", "--epochs", "1", *more]


def test_the_command_tells_once_before_it_trains_and_when_asked_what_it_would_do(tiny_data, tmp_path, capsys):
    run_command.main(tiny(tiny_data, tmp_path, "--dry-run"))
    (told,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  memory: about ")]
    assert re.fullmatch(r"  memory: about \d+ MiB of [\d.]+ GiB available", told)
    run_command.main(tiny(tiny_data, tmp_path))
    lines = capsys.readouterr().err.splitlines()
    assert [line.startswith("memory: about ") for line in lines] == [True] + [False] * (len(lines) - 1)


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_the_command_refuses_what_fits_in_no_way(more, tiny_data, tmp_path, machine, capsys):
    machine(1000)
    assert "TINY/LSTM+: training on 64 windows a step one by one needs about" in refusal(
        run_command.main, tiny(tiny_data, tmp_path, *more), capsys
    )
    assert not list(tmp_path.rglob("*.pt"))


def test_a_run_that_is_short_of_memory_takes_the_steps_of_one_that_is_not(tiny_data, tmp_path, machine, capsys):
    words = ("--set", "model.hidden_size=8", "model.end_size=8", "model.dropout=0.0", "--seeds", "0", "--epochs", "1")
    records, free = [], 2**40
    for folder, line in (("whole", "available"), ("parts", "in 2 parts of 32 windows")):
        machine(free)
        place = ["--data", str(tiny_data), "--results", str(tmp_path / folder)]
        run_command.main(["--dataset", "TINY", "--model", "LSTM+", *place, *words])
        told = capsys.readouterr().err.splitlines()[0]
        assert told.startswith("memory: about ") and told.endswith(line)
        (path,) = tmp_path.joinpath(folder).glob("TINY/LSTM+/*.json")
        records.append(read_record(path))
        described, exp = load_meta(tiny_data, "TINY"), rebuild(records[0].key, records[0].configuration.as_dict(), "")
        model = build_model(exp, described, tiny_data)
        free = RESERVE + 0.7 * MARGIN * memory_plan(model, exp, described, RunOptions(tiny_data)).needed
    whole, parts = records
    assert whole.key == parts.key and (whole.provenance.parts, parts.provenance.parts) == (1, 2)
    assert parts.scores.average["MAE"] == pytest.approx(whole.scores.average["MAE"], rel=1e-5)
