"""verify.py confirms a record that its checkpoint bears out, and no other."""

import shutil
from dataclasses import replace

import pytest
import torch

from experiments import verify
from stlora_ext.runs.key import RunKey
from stlora_ext.runs.record import Scores
from stlora_ext.runs.verify import first_difference
from stlora_ext.sweep.plan import ARMS_OF
from tests.support.commands import refusal, run, succeeded
from tests.support.reopened import data, finished, results, rewrite


@pytest.fixture
def copied(tmp_path):
    """Returns a function that copies a finished run, its record and what is in its folder."""

    def copy(record):
        place = tmp_path / record.parent.name
        shutil.copytree(record.with_suffix(""), place / record.stem, ignore=shutil.ignore_patterns("tensorboard"))
        return shutil.copy(record, place / record.name)

    return copy


@pytest.mark.parametrize(
    ("model", "protocol", "arm"),
    [
        ("HA", "", ""),
        ("HA+", "", ""),
        ("HA-week", "", ""),
        ("HA-week+", "", ""),
        ("LSTM", "", ""),
        ("LSTM+", "joint", "plus"),
        ("LSTM+", "adapt", "plus"),
        ("LSTM+", "joint", "control"),
        ("LSTM+", "joint", "wide"),
    ],
)
def test_the_record_of_a_finished_run_is_confirmed(model, protocol, arm, capsys):
    record = finished(model, protocol, arm)
    before = {path: path.stat().st_mtime_ns for path in results().rglob("*")}
    verify.main([str(record), "--data", str(data())])
    out = capsys.readouterr().out
    assert out.startswith(f"{record}: confirmed (computed again: scores, data, configuration, parameters, weights; as ")
    assert out.endswith(
        "key, status, fitted_backbone, trained_backbone, training, provenance"
        + ", adapter_bytes" * model.endswith("+")
        + "; stated: nothing)\n"
    )
    assert {path: path.stat().st_mtime_ns for path in results().rglob("*")} == before


def test_a_run_from_a_named_backbone_of_another_seed_is_confirmed(capsys):
    from stlora_ext.data.available import open_dataset
    from stlora_ext.runs.options import RunOptions
    from stlora_ext.runs.run import train_run
    from tests.support.reopened import quick

    backbone = finished("LSTM").with_suffix("") / "model.pt"
    place = RunOptions(data(), results())
    record, _ = train_run(quick("LSTM+").with_protocol("adapt", str(backbone)), open_dataset("QUICK", data()), 1, place)
    path = record.key.record_path(results())
    verify.main([str(path), "--data", str(data())])
    assert f"{path}: confirmed (" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda test: test["average"].update(MAE=test["average"]["MAE"] * (1 + 3e-6)), "differs: the average MAE is"),
        (lambda test: test["horizons"][6].update(RMSE=1.0), "differs: RMSE of step 7 is 1.0 in the record, "),
        (lambda test: test["horizons"][11].update(MAPE=None), "differs: MAPE of step 12 is None in the record, "),
        (lambda test: test["horizons"].pop(), "differs: MAE of step 12 is nothing in the record, "),
        (lambda test: test["nodes"]["MAE"].__setitem__(3, 0.5), "differs: MAE of node 3 is 0.5 in the record, "),
    ],
)
def test_a_changed_score_is_named_in_one_line_and_the_exit_code_is_1(change, expected, copied, capsys):
    record = copied(finished("LSTM"))
    rewrite(record, lambda content: change(content["test"]))
    with pytest.raises(SystemExit) as stop:
        verify.main([str(record), "--data", str(data())])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if str(record) in line]
    assert stop.value.code == 1 and expected in line and "measured (recorded on " in line


def test_what_is_within_the_tolerance_agrees():
    scores = Scores({"MAE": 20.0}, [{"MAE": None}], {"MAE": [5.0]})
    near = Scores({"MAE": 20.0 * (1 + 9e-7)}, [{"MAE": None}], {"MAE": [5.0 * (1 + 9e-5)]})
    assert first_difference(scores, near) is None
    assert "average MAE" in first_difference(replace(scores, average={"MAE": 20.0 * (1 + 2e-6)}), near)
    assert "node 0" in first_difference(replace(scores, nodes={"MAE": [5.0 * (1 - 1e-4)]}), near)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda r: r["data"].update(fingerprint="sha256:0"), "(fingerprint sha256:0, now sha256:"),
        (lambda r: r["configuration"]["training"].update(lr=0.5), "its configuration has the hash "),
        (lambda r: r["configuration"]["adapter"].update(activation="identity"), "its configuration has the hash "),
        (lambda r: r["trained_backbone"]["key"].update(config_hash="0" * 8), "its configuration has the hash "),
        (lambda r: r["trained_backbone"].pop("key"), "its configuration has the hash "),
        (lambda r: r["key"].update(config_hash="0" * 8), "says that it is adapt-plus-00000000-seed0"),
        (lambda r: r["key"].update(seed=3), "-seed3: give it that name back"),
    ],
)
def test_a_record_of_other_data_or_another_configuration_is_refused(change, expected, copied, capsys):
    record = copied(finished("LSTM+", "adapt"))
    rewrite(record, change)
    assert expected in refusal(verify.main, [record, "--data", data()], capsys)


def edit(place, value):
    def change(record):
        *parents, last = place
        for step in parents:
            record = record[step]
        record[last] = value(record[last]) if callable(value) else value

    return change


@pytest.mark.parametrize(
    "change",
    [
        edit(["test", "num_targets"], lambda count: count + 1),
        edit(["training", "history", 0, "val", "MAE"], lambda mae: mae * 1.01),
        edit(["training", "history", 0, "seconds"], 0.5),
        edit(["training", "epochs"], 100),
        edit(["training", "best_epoch"], 7),
        edit(["training", "cached_forecasts"], True),
        edit(["parameters", "adapter"], 1),
        edit(["parameters", "modules", "adapter"], {}),
        edit(["weights"], "sha256:0"),
        edit(["trained_backbone"], {"key": None, "weights": "sha256:0"}),
        edit(["provenance", "git_commit"], "0" * 40),
        edit(["provenance", "numerics"], 99),
        edit(["provenance", "hardware"], "GPU"),
        edit(["provenance", "processes"], []),
        edit(["adapter_bytes"], 5),
        edit(["fitted_backbone"], True),
        edit(["status"], "done"),
        lambda record: record.pop("adapter_bytes"),
        lambda record: record.update(note="a part of its own"),
    ],
)
def test_an_edit_of_any_part_is_not_confirmed(change, copied, capsys):
    record = copied(finished("LSTM+"))
    rewrite(record, change)
    with pytest.raises(SystemExit) as stop:
        verify.main([str(record), "--data", str(data())])
    assert stop.value.code == 1 and f"{record}: differs: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (edit(["data", "interval"], 15), "is of other data than QUICK holds now (interval 15, now 5)"),
        (edit(["data", "start"], "2020-01-01T00:00:00"), "(start 2020-01-01T00:00:00, now "),
        (edit(["data", "null_val"], None), "(null value none, now 0.0)"),
        (edit(["data", "windows", "test"], 5), "(windows "),
    ],
)
def test_a_record_of_another_clock_null_value_or_windows_is_refused(change, expected, copied, capsys):
    record = copied(finished("LSTM"))
    rewrite(record, change)
    assert expected in refusal(verify.main, [record, "--data", data()], capsys)


def test_the_files_of_one_seed_copied_as_another_are_refused(copied, capsys):
    record = copied(finished("LSTM"))
    other = record.with_name(record.name.replace("seed0", "seed1"))
    record.with_suffix("").rename(other.with_suffix(""))
    record.rename(other)
    rewrite(other, edit(["key", "seed"], 1))
    line = refusal(verify.main, [other, "--data", data()], capsys)
    assert f"is of the run QUICK/LSTM/{record.stem}, record {other.name} says QUICK/LSTM/{other.stem}" in line


def test_another_run_s_checkpoint_under_a_record_is_refused(copied, capsys):
    record = copied(finished("LSTM"))
    shutil.copy(finished("LSTM", seed=1).with_suffix("") / "model.pt", record.with_suffix(""))
    assert "is of the run QUICK/LSTM/" in refusal(verify.main, [record, "--data", data()], capsys)


def as_before(record):
    """Make of a run what versions before this one wrote."""
    path = record.with_suffix("") / "model.pt"
    content = torch.load(path, weights_only=True)
    for name in ("record_sha256", "run_key", "numerics", "backbone_weights"):
        content.pop(name)
    torch.save(content, path)
    rewrite(
        record,
        lambda r: [
            r.pop("weights"),
            r["data"].pop("start"),
            r["provenance"].pop("numerics"),
            r["provenance"].pop("processes"),
            r["training"].update(seconds_per_epoch=1.0),
        ],
    )


def test_a_record_of_before_passes_and_says_what_is_only_stated(copied, capsys):
    record = copied(finished("LSTM"))
    as_before(record)
    verify.main([str(record), "--data", str(data())])
    assert capsys.readouterr().out == f"{record}: confirmed (scores computed again, the rest stated)\n"
    rewrite(record, lambda r: r["test"]["average"].update(MAE=1.0))
    with pytest.raises(SystemExit):
        verify.main([str(record), "--data", str(data())])


def test_a_checkpoint_stripped_of_its_digests_does_not_make_a_record_one_of_before(copied, capsys):
    record = copied(finished("LSTM"))
    path = record.with_suffix("") / "model.pt"
    content = torch.load(path, weights_only=True)
    del content["record_sha256"]
    torch.save(content, path)
    assert "was not written with record" in refusal(verify.main, [record, "--data", data()], capsys)


def test_other_hardware_gets_the_wider_tolerance():
    scores, near, far = (Scores({"MAE": 20.0 * (1 + apart)}, []) for apart in (0.0, 9e-5, 2e-4))
    assert first_difference(scores, near) is not None
    assert first_difference(scores, near, same_hardware=False) is None
    assert first_difference(scores, far, same_hardware=False) is not None


def test_data_prepared_otherwise_are_refused(tmp_path, capsys):
    succeeded(run("datasets/simulate.py", "QUICK", "--nodes", 5, "--days", 2, "--seed", 9, "--data", tmp_path))
    line = refusal(verify.main, [finished("LSTM"), "--data", tmp_path], capsys)
    assert "is of other data" in line and "name their folder with --data DIR" in line


def test_without_the_checkpoint_the_command_that_repeats_the_run_is_told(copied, tmp_path, capsys):
    record = copied(finished("LSTM", seed=1))
    (record.with_suffix("") / "model.pt").unlink()
    line = refusal(verify.main, [record, "--data", data(), "--results", tmp_path / "elsewhere"], capsys)
    assert "repeat the run with: python experiments/run.py --dataset QUICK --model LSTM --seeds 1" in line


@pytest.mark.parametrize(("protocol", "arm"), [(protocol, arm) for protocol, arms in ARMS_OF.items() for arm in arms])
@pytest.mark.parametrize("seed", [0, None])
def test_a_folder_s_records_of_every_protocol_are_found(protocol, arm, seed, tmp_path):
    path = RunKey("QUICK", "LSTM+", protocol, arm, "0a1b2c3d", seed).record_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.touch()
    assert verify.records([tmp_path]) == [path]


def test_a_folder_is_confirmed_record_by_record_and_what_cannot_be_is_told(copied, tmp_path, capsys):
    good, bad, absent = copied(finished("LSTM")), copied(finished("LSTM+")), copied(finished("HA"))
    (absent.with_suffix("") / "model.pt").unlink()
    (tmp_path / "notes.json").write_text("{}")
    arguments = [str(tmp_path), str(good), "--data", str(data()), "--results", str(tmp_path / "elsewhere")]
    with pytest.raises(SystemExit) as stop:
        verify.main(arguments)
    assert stop.value.code == 2
    assert "3 records: 2 confirmed, 0 differ, 1 can't be confirmed" in capsys.readouterr().out
    rewrite(bad, lambda content: content["test"]["average"].update(MAE=0.0))
    with pytest.raises(SystemExit) as stop:
        verify.main(arguments)
    output = capsys.readouterr()
    assert stop.value.code == 1 and "3 records: 1 confirmed, 1 differ, 1 can't be confirmed" in output.out
    assert f"error: the checkpoint of {absent} is not there" in output.err


def test_a_folder_without_records_is_refused(tmp_path, capsys):
    assert f"no records under {tmp_path}: expected a folder such as" in refusal(verify.main, [tmp_path], capsys)


def test_the_command_ends_with_the_exit_code(copied):
    record = copied(finished("LSTM"))
    rewrite(record, lambda content: content["test"]["average"].update(MAE=1.0))
    result = run("experiments/verify.py", record, "--data", data())
    assert result.returncode == 1 and len(result.stdout.splitlines()) == 1 and not result.stderr
