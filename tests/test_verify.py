"""verify.py confirms a record that its checkpoint bears out, and no other."""

import json
import shutil

import pytest

from experiments import verify
from stlora_ext.records.confirm import first_difference
from tests.commands import refusal, run, succeeded
from tests.reopened import data, finished, results


@pytest.fixture
def copied(tmp_path):
    """Returns a function that copies a finished run, its record and what is in its folder."""
    def copy(record):
        place = tmp_path / record.parent.name
        shutil.copytree(record.with_suffix(""), place / record.stem, ignore=shutil.ignore_patterns("tensorboard"))
        return shutil.copy(record, place / record.name)
    return copy


def rewrite(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(("model", "protocol", "arm"), [
    ("HA", "", ""), ("HA+", "", ""), ("LSTM", "", ""), ("LSTM+", "joint", "plus"), ("LSTM+", "adapt", "plus"),
    ("LSTM+", "joint", "control"), ("LSTM+", "joint", "wide"),
])
def test_the_record_of_a_finished_run_is_confirmed(model, protocol, arm, capsys):
    record = finished(model, protocol, arm)
    before = {path: path.stat().st_mtime_ns for path in results().rglob("*")}
    verify.main([str(record), "--data", str(data())])
    assert capsys.readouterr().out.endswith(f"{record}: confirmed\n")
    assert {path: path.stat().st_mtime_ns for path in results().rglob("*")} == before


def test_a_run_from_a_named_backbone_of_another_seed_is_confirmed(capsys):
    from experiments.data import open_dataset
    from stlora_ext.cell import Place, run_cell
    from stlora_ext.records.key import RunKey
    from tests.reopened import quick
    backbone = finished("LSTM").with_suffix("") / "model.pt"
    place = Place(data(), results())
    record, _ = run_cell(quick("LSTM+").with_protocol("adapt", str(backbone)), open_dataset("QUICK", data()), 1, place)
    path = RunKey(**record["key"]).record_path(results())
    verify.main([str(path), "--data", str(data())])
    assert capsys.readouterr().out.endswith("confirmed\n")


@pytest.mark.parametrize(("change", "expected"), [
    (lambda test: test["average"].update(MAE=test["average"]["MAE"] * (1 + 3e-6)), "differs: the average MAE is"),
    (lambda test: test["horizons"][6].update(RMSE=1.0), "differs: RMSE of step 7 is 1.0 in the record, "),
    (lambda test: test["horizons"][11].update(MAPE=None), "differs: MAPE of step 12 is None in the record, "),
    (lambda test: test["horizons"][2].update(MAE="12"), "differs: MAE of step 3 is 12 in the record, "),
    (lambda test: test["horizons"].pop(), "differs: MAE of step 12 is nothing in the record, "),
    (lambda test: test["nodes"]["MAE"].__setitem__(3, 0.5), "differs: MAE of node 3 is 0.5 in the record, "),
    (lambda test: test["average"].update(MAE=float("nan")), "differs: the average MAE is nan in the record, "),
])
def test_a_changed_figure_is_named_in_one_line_and_the_exit_code_is_1(change, expected, copied, capsys):
    record = copied(finished("LSTM"))
    rewrite(record, lambda content: change(content["test"]))
    with pytest.raises(SystemExit) as stop:
        verify.main([str(record), "--data", str(data())])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if str(record) in line]
    assert stop.value.code == 1 and expected in line and "measured (recorded on " in line


def test_what_is_within_the_tolerance_agrees():
    test = {"average": {"MAE": 20.0}, "horizons": [{"MAE": None}], "nodes": {"MAE": [5.0]}}
    near = {"average": {"MAE": 20.0 * (1 + 9e-7)}, "horizons": [{"MAE": None}], "nodes": {"MAE": [5.0 * (1 + 9e-5)]}}
    assert first_difference(test, near) is None
    assert "average MAE" in first_difference({**test, "average": {"MAE": 20.0 * (1 + 2e-6)}}, near)
    assert "node 0" in first_difference({**test, "nodes": {"MAE": [5.0 * (1 - 1e-4)]}}, near)


@pytest.mark.parametrize(("change", "expected"), [
    (lambda r: r["data"].update(fingerprint="sha256:0"), "is of other data (sha256:0, "),
    (lambda r: r["configuration"]["training"].update(lr=0.5), "its configuration has the hash "),
    (lambda r: r["configuration"]["adapter"].update(activation="identity"), "its configuration has the hash "),
    (lambda r: r["trained_backbone"]["key"].update(config_hash="0" * 8), "its configuration has the hash "),
    (lambda r: r["trained_backbone"].pop("key"), "is damaged (KeyError: 'key')"),
    (lambda r: r["key"].update(config_hash="0" * 8), "says that it is adapt-plus-00000000-seed0"),
    (lambda r: r["key"].update(seed=3), "-seed3: give it that name back"),
])
def test_a_record_of_other_data_or_another_configuration_is_refused(change, expected, copied, capsys):
    record = copied(finished("LSTM+", "adapt"))
    rewrite(record, change)
    assert expected in refusal(verify.main, [record, "--data", data()], capsys)


def test_data_prepared_otherwise_are_refused(tmp_path, capsys):
    succeeded(run("datasets/simulate.py", "QUICK", "--nodes", 5, "--days", 2, "--seed", 9, "--data", tmp_path))
    line = refusal(verify.main, [finished("LSTM"), "--data", tmp_path], capsys)
    assert "is of other data" in line and "name their folder with --data DIR" in line


def test_without_the_checkpoint_the_command_that_repeats_the_run_is_told(copied, tmp_path, capsys):
    record = copied(finished("LSTM", seed=1))
    (record.with_suffix("") / "model.pt").unlink()
    line = refusal(verify.main, [record, "--data", data(), "--results", tmp_path / "elsewhere"], capsys)
    assert "repeat the run with: python experiments/run.py -c CONFIG.py --seeds 1" in line


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
