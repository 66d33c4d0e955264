"""What identifies a score: the data that were read, the backbone, the arithmetic, the processes that worked on it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from experiments import evaluate, predict
from experiments import run as run_command
from stlora_ext import numerics
from stlora_ext.data.prepared import load_meta
from stlora_ext.errors import UserError
from stlora_ext.files import write_json
from stlora_ext.host import progress_files
from stlora_ext.host.runner import HostRunner
from stlora_ext.runs import provenance, remarks, replacement
from stlora_ext.runs import run as cell
from stlora_ext.runs.adapter_runner import STLoRARunner
from stlora_ext.runs.backbone import run_key
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.record import AdaptedBackbone
from stlora_ext.runs.run import train_run
from stlora_ext.runs.store import read_record
from tests.support.commands import ROOT, refusal
from tests.support.otherwise import interrupt_after, prepared_otherwise
from tests.support.reopened import data, finished, quick, quick_meta, recent


@pytest.fixture
def own(tmp_path):
    """A copy of the data set QUICK, and a results folder without runs."""
    shutil.copytree(data(), tmp_path / "data")
    return RunOptions(tmp_path / "data", tmp_path / "results")


def changed(path):
    """Change one number in an array on disk."""
    if path.suffix == ".npz":
        arrays = dict(np.load(path))
        arrays["weight"] = arrays["weight"] * np.float32(0.5)
        np.savez(path, **arrays)
    else:
        array = np.load(path)
        array.reshape(-1)[len(array) // 2] += np.float32(0.125)
        np.save(path, array)


@pytest.mark.parametrize(
    "file",
    ["train_data.npy", "val_data.npy", "test_data.npy", "train_timestamps.npy", "test_timestamps.npy", "graph.npz"],
)
def test_no_command_uses_data_that_are_not_those_prepared(file, own, tmp_path, capsys):
    changed(own.data / "QUICK" / file)
    with pytest.raises(UserError, match="are not those that were prepared"):
        train_run(quick("LSTM"), load_meta(own.data, "QUICK"), 0, own)
    recent().to_csv(tmp_path / "recent.csv")
    for main, more in (
        (evaluate.main, []),
        (predict.main, ["--input", tmp_path / "recent.csv", "--output", tmp_path / "f.csv"]),
    ):
        line = refusal(main, [finished("LSTM"), "--data", own.data, *more], capsys)
        assert "are not those that were prepared" in line


def test_a_finished_run_of_changed_data_is_not_called_finished(own):
    meta = load_meta(own.data, "QUICK")
    train_run(quick("HA"), meta, None, own)
    changed(own.data / "QUICK" / "test_data.npy")
    with pytest.raises(UserError, match="are not those that were prepared"):
        train_run(quick("HA"), meta, None, own)


@pytest.mark.parametrize("change", [{"interval": 10, "steps_per_day": 144}, {"start": "2020-02-02"}])
def test_another_clock_under_the_same_arrays_is_other_data(change, own):
    meta = quick_meta()
    train_run(quick("HA"), meta, None, own)
    with pytest.raises(UserError, match=f"is of other data than QUICK holds now .{list(change)[0][:4]}"):
        train_run(quick("HA"), replace(meta, **change), None, own)


# ---- progress files --------------------------------------------------------------------------------------


def interrupted(monkeypatch, runner_class, exp, place, seed=0, epochs=1, **kwargs):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(runner_class, "_save_model", interrupt_after(runner_class._save_model, epochs))
        train_run(exp, load_meta(place.data, exp.dataset), seed, place, **kwargs)
    return place.results / run_key(exp, load_meta(place.data, exp.dataset), seed).path


def test_progress_of_another_seed_is_refused(own, monkeypatch):
    exp = quick("LSTM", num_epochs=3)
    folder = interrupted(monkeypatch, HostRunner, exp, own)
    other = own.results / run_key(exp, quick_meta(), 1).path
    shutil.copytree(folder, other)
    with pytest.raises(UserError, match="last.pt is of another run .*seed0, this is .*seed1"):
        train_run(exp, quick_meta(), 1, own)
    record, _ = train_run(exp, quick_meta(), 1, own, force=True)  # the remedy
    assert [p["after_epoch"] for p in record.content["provenance"]["processes"]] == [0]


def test_the_partial_fit_of_other_data_is_refused_and_force_drops_it(own, monkeypatch):
    from baselines.SVR.arch import svr_arch

    exp, meta = quick("SVR"), quick_meta()
    folder = own.results / run_key(exp, meta, 0).path
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(svr_arch, "SAVE_EVERY", 2)
        patch.setattr(svr_arch, "_write_partial", interrupt_after(svr_arch._write_partial))
        train_run(exp, meta, 0, own)
    assert (folder / "fit.partial.npz").exists()
    prepared_otherwise(own.data, "QUICK")
    other = load_meta(own.data, "QUICK")
    with pytest.raises(UserError, match="fit.partial.npz was made on other data .*anew with --force"):
        train_run(exp, other, 0, own)
    record, _ = train_run(exp, other, 0, own, force=True)
    fresh, _ = train_run(exp, other, 0, replace(own, results=own.results / "fresh"))
    assert record.scores == fresh.scores and not (folder / "fit.partial.npz").exists()


def test_a_partial_fit_goes_on_and_the_record_names_both_processes(own, monkeypatch):
    from baselines.SVR.arch import svr_arch

    exp, meta = quick("SVR"), quick_meta()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(svr_arch, "SAVE_EVERY", 2)
        patch.setattr(svr_arch, "_write_partial", interrupt_after(svr_arch._write_partial))
        train_run(exp, meta, 0, own)
    record, _ = train_run(exp, meta, 0, own)
    whole, _ = train_run(exp, meta, 0, replace(own, results=own.results / "whole"))
    assert record.scores == whole.scores and len(record.content["provenance"]["processes"]) == 2


# ---- the arithmetic --------------------------------------------------------------------------------------


def another_version(patch):
    number = numerics.NUMERICS + 1
    for module in (numerics, progress_files, provenance, remarks):
        patch.setattr(module, "NUMERICS", number)


def test_a_finished_run_of_another_arithmetic_stays_finished_and_run_says_so(own, monkeypatch, tmp_path, capsys):
    config = tmp_path / "config.py"
    config.write_text('from experiments.defaults import experiment\nCFG = experiment("QUICK", "HA")\n')
    command = ["-c", str(config), "--data", str(own.data), "--results", str(own.results)]
    run_command.main(command)
    run_command.main(command)
    assert "arithmetic" not in capsys.readouterr().out
    with monkeypatch.context() as patch:
        another_version(patch)
        run_command.main(command)
        assert "this version's arithmetic differs from that of the record" in capsys.readouterr().out
        run_command.main([*command, "--force"])
        run_command.main(command)
        assert "arithmetic differs" not in capsys.readouterr().out


def test_a_run_begun_by_another_arithmetic_is_not_mixed_with_this_one(own, monkeypatch):
    exp = quick("LSTM", num_epochs=3)
    interrupted(monkeypatch, HostRunner, exp, own)
    with monkeypatch.context() as patch:
        another_version(patch)
        with pytest.raises(UserError, match="was begun by a version whose arithmetic differs"):
            train_run(exp, quick_meta(), 0, own)
        record, _ = train_run(exp, quick_meta(), 0, own, force=True)
        assert record.provenance.numerics == numerics.NUMERICS
        assert len(record.content["provenance"]["processes"]) == 1


@pytest.mark.parametrize("model", ["LSTM", "LSTM+"])
def test_a_resumed_run_names_every_process_and_ends_as_an_uninterrupted_one(model, own, monkeypatch):
    exp = quick(model, num_epochs=4)
    runner = STLoRARunner if exp.adapter else HostRunner
    interrupted(monkeypatch, runner, exp, own, epochs=1)
    interrupted(monkeypatch, runner, exp, own, epochs=2)
    record, _ = train_run(exp, quick_meta(), 0, own)
    whole, _ = train_run(exp, quick_meta(), 0, replace(own, results=own.results / "whole"))
    assert [process["after_epoch"] for process in record.content["provenance"]["processes"]] == [0, 1, 3]
    assert all(
        process["threads"] == 1 and process["numerics"] == numerics.NUMERICS and process["hardware"]
        for process in record.content["provenance"]["processes"]
    )
    for name in ("test", "weights", "parameters", "configuration", "data"):
        assert record.content[name] == whole.content[name]
    without_seconds = [[{**entry, "seconds": 0} for entry in r.training.history] for r in (record, whole)]
    assert without_seconds[0] == without_seconds[1]


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_an_adaptation_killed_after_any_epoch_ends_as_an_uninterrupted_one(bf16, epochs, own, monkeypatch):
    exp = quick("LSTM+", num_epochs=3, bf16=bf16).with_protocol("adapt")
    own = replace(own, train_backbone=True)
    train_run(exp.with_arm("base"), quick_meta(), 0, own)
    whole, _ = train_run(exp, quick_meta(), 0, own)
    shutil.rmtree(own.results / "QUICK" / "LSTM+")
    interrupted(monkeypatch, STLoRARunner, exp, own, epochs=epochs)
    record, _ = train_run(exp, quick_meta(), 0, own)
    assert record.content["training"]["cached_forecasts"] is whole.content["training"]["cached_forecasts"] is True
    assert record.scores == whole.scores and record.weights == whole.weights


def test_forecasts_kept_and_computed_anew_add_in_the_same_precision(own, monkeypatch):
    """Under bfloat16 too: as many windows a batch make the same forecasts, bit for bit."""
    from stlora_ext.runs import adapter_runner as lora_runner

    exp = quick("LSTM+", num_epochs=2, bf16=True, batch_size=64, eval_batch_size=64).with_protocol("adapt")
    own = replace(own, train_backbone=True)
    kept, _ = train_run(exp, quick_meta(), 0, own)
    shutil.rmtree(own.results / "QUICK" / "LSTM+")
    monkeypatch.setattr(lora_runner, "CACHE_LIMIT", 0)
    anew, _ = train_run(exp, quick_meta(), 0, own)
    assert kept.content["training"]["cached_forecasts"] and not anew.content["training"]["cached_forecasts"]
    for one, other in zip(kept.training.history, anew.training.history, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)


# ---- the backbone ----------------------------------------------------------------------------------------


def test_every_record_holds_the_hash_of_its_weights_and_an_adapted_one_that_of_its_backbone():
    base, adapted, fitted = (read_record(finished(*run)) for run in [("LSTM",), ("LSTM+", "adapt"), ("HA+",)])
    assert adapted.adapted_weights == base.weights != adapted.weights
    assert adapted.adapted.fingerprint == base.data.fingerprint
    assert fitted.adapted == AdaptedBackbone(None, read_record(finished("HA")).weights, base.data.fingerprint)


def test_run_says_that_the_backbone_of_a_finished_run_was_repeated(own, capsys):
    exp = quick("LSTM+").with_protocol("adapt")
    record, _ = train_run(exp, quick_meta(), 0, replace(own, train_backbone=True))
    run_command.report(record, True, own.results)
    assert "repeated since" not in capsys.readouterr().out
    base = record.adapted.key.record_path(own.results)
    content = json.loads(base.read_text())
    write_json(base, {**content, "weights": "sha256:other"})
    run_command.report(record, True, own.results)
    assert "was repeated since and has other weights: --force adapts those" in capsys.readouterr().out


# ---- --force ---------------------------------------------------------------------------------------------


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "tensorboard" not in path.parts and path.name != ".lock"
    }


def test_force_leaves_nothing_of_the_old_run(own):
    exp = quick("LSTM+", num_epochs=2)
    train_run(exp, quick_meta(), 0, replace(own, save_results=True))
    folder = own.results / run_key(exp, quick_meta(), 0).path
    (folder / "of the old run.txt").touch()
    train_run(exp, quick_meta(), 0, own, force=True)
    train_run(exp, quick_meta(), 0, replace(own, results=own.results / "fresh"))
    fresh = own.results / "fresh" / run_key(exp, quick_meta(), 0).path
    assert files(folder).keys() == files(fresh).keys()
    assert len(list((folder / "tensorboard").iterdir())) == len(list((fresh / "tensorboard").iterdir()))
    assert (folder / "train.log").read_text().count("\n") == (fresh / "train.log").read_text().count("\n")


def test_an_interrupted_force_keeps_the_old_run_and_goes_on_where_it_was(own, monkeypatch, capsys):
    exp = quick("LSTM", num_epochs=3)
    record, _ = train_run(exp, quick_meta(), 0, own)
    folder = own.results / run_key(exp, quick_meta(), 0).path
    before = files(folder)
    interrupted(monkeypatch, HostRunner, exp, own, epochs=2, force=True)
    assert {name: content for name, content in files(folder).items() if not name.startswith("repeat")} == before
    there, finished_before = train_run(exp, quick_meta(), 0, own)
    assert finished_before and there.scores == record.scores
    run_command.report(there, True, own.results)
    assert "a repetition of it was interrupted: --force goes on with that" in capsys.readouterr().out
    repeated, _ = train_run(exp, quick_meta(), 0, own, force=True)
    assert [process["after_epoch"] for process in repeated.content["provenance"]["processes"]] == [0, 2]
    assert repeated.scores == record.scores and repeated.weights == record.weights
    assert files(folder).keys() == before.keys()


@pytest.mark.parametrize("steps", range(12))
def test_a_replacement_killed_at_any_step_is_completed_by_the_next_call(steps, own, monkeypatch):
    exp = quick("LSTM+", num_epochs=2)
    train_run(exp, quick_meta(), 0, own)
    calls = []

    def dying(function):
        def call(*args, **kwargs):
            calls.append(function)
            if len(calls) == steps + 1:
                raise KeyboardInterrupt
            return function(*args, **kwargs)

        return call

    class Dying:
        rename = staticmethod(dying(os.rename))

    class DyingTrees:
        rmtree = staticmethod(dying(shutil.rmtree))

    with monkeypatch.context() as patch:
        patch.setattr(replacement, "os", Dying)
        patch.setattr(replacement, "shutil", DyingTrees)
        try:
            new, _ = train_run(exp, quick_meta(), 0, own, force=True)
        except KeyboardInterrupt:
            pass
        else:
            pytest.skip(f"a replacement has no {steps + 1} steps")
    record, was_finished = train_run(exp, quick_meta(), 0, own)
    folder = own.results / run_key(exp, quick_meta(), 0).path
    assert was_finished and not list(folder.glob("repeat*"))
    model = torch.load(folder / "model.pt", weights_only=True)
    assert model["record_sha256"] == cell.part_digests(record.content)


def test_a_force_killed_by_the_system_goes_on_where_it_was(tiny_data, tmp_path):
    """The real command, killed by SIGKILL while it repeats."""
    command = [
        sys.executable,
        "experiments/run.py",
        "-c",
        "experiments/TINY/LSTM.py",
        "--seeds",
        "0",
        "--epochs",
        "5",
        "--set",
        "model.hidden_size=8",
        "--data",
        str(tiny_data),
        "--results",
        str(tmp_path),
    ]

    def run(*more):
        return subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)

    run()
    process = subprocess.Popen(
        [*command, "--force"], cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    for line in process.stderr:
        if " epoch 2/5 " in line:
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    process.stderr.close()
    again = run("--force")
    assert " epoch 1/5 " not in again.stderr and " epoch 5/5 " in again.stderr
    (record,) = (tmp_path / "TINY/LSTM").glob("*.json")
    first, *later = json.loads(record.read_text())["provenance"]["processes"]
    assert first["after_epoch"] == 0 and len(later) == 1 and later[0]["after_epoch"] >= 2
