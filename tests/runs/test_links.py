"""A record or a lock that is a link is never followed: neither read, nor written, nor emptied."""

import shutil

import pytest

from experiments import evaluate, predict, publish, report, table, verify
from experiments import run as run_command
from stlora_ext.errors import UserError
from stlora_ext.files import write_json
from stlora_ext.runs.lock import is_running, locked
from stlora_ext.sweep import ray_worker
from tests.support.commands import ROOT, refusal

RECORD = min((ROOT / "results" / "published" / "CITY" / "LSTM+").glob("*.json"))


@pytest.fixture
def linked(tmp_path):
    """Results with a record of CITY that is a link to the same record elsewhere."""
    elsewhere = shutil.copy(RECORD, tmp_path / "elsewhere.json")
    path = tmp_path / "results" / "CITY" / "LSTM+" / RECORD.name
    path.parent.mkdir(parents=True)
    path.symlink_to(elsewhere)
    return path


@pytest.mark.parametrize("what", ["table", "publish", "report", "verify", "evaluate", "predict"])
def test_no_command_reads_a_record_that_is_a_link(linked, what, tmp_path, capsys):
    results = ("--results", tmp_path / "results")
    main, arguments = {
        "table": (table.main, ("--dataset", "CITY", *results)),
        "publish": (publish.main, ("--dataset", "CITY", *results, "--to", tmp_path / "to")),
        "report": (report.main, ("--dataset", "CITY", *results, "--out", tmp_path / "page.html")),
        "verify": (verify.main, (linked,)),
        "evaluate": (evaluate.main, (linked,)),
        "predict": (predict.main, (linked, "--input", "in.csv", "--output", "out.csv")),
    }[what]
    try:
        said = refusal(main, arguments, capsys)
    except SystemExit as stop:  # verify goes on to the next record
        assert stop.code == 1
        said = capsys.readouterr().out
    assert f"record {linked} is a link, which is never followed" in said


def test_a_run_is_not_finished_by_a_link_and_force_replaces_it_alone(tiny_data, tmp_path, capsys):
    arguments = [
        "-c",
        "experiments/TINY/LSTM.py",
        "--seeds",
        "0",
        "--epochs",
        "1",
        "--set",
        "model.hidden_size=4",
        "--data",
        str(tiny_data),
        "--results",
        str(tmp_path / "results"),
    ]
    run_command.main(arguments)
    (record,) = (tmp_path / "results").rglob("*-seed0.json")
    elsewhere = tmp_path / "elsewhere.json"
    record.rename(elsewhere)
    before = elsewhere.read_bytes()
    for target in (elsewhere, tmp_path / "nowhere.json"):
        record.unlink(missing_ok=True)
        record.symlink_to(target)
        assert "is a link" in refusal(run_command.main, arguments, capsys)
    record.unlink()
    record.symlink_to(elsewhere)
    run_command.main([*arguments, "--force"])
    assert elsewhere.read_bytes() == before and not record.is_symlink() and record.is_file()


@pytest.mark.parametrize("target", ["mine.txt", "nowhere.txt"])
def test_a_lock_that_is_a_link_is_refused_and_its_target_kept(tiny_data, tmp_path, capsys, target):
    (tmp_path / "mine.txt").write_text("mine")
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    (run_dir / ".lock").symlink_to(tmp_path / target)
    with pytest.raises(UserError, match="is a link, which is never followed: delete it"), locked(run_dir):
        pass
    assert not is_running(run_dir)
    assert (tmp_path / "mine.txt").read_text() == "mine" and not (tmp_path / "nowhere.txt").exists()
    (run_dir / ".lock").unlink()
    with locked(run_dir):
        assert is_running(run_dir)


def test_what_is_written_replaces_a_link_and_follows_none(tmp_path):
    (tmp_path / "mine.json").write_text("mine")
    for name in ("record.json", ".record.json.tmp"):
        (tmp_path / name).symlink_to(tmp_path / "mine.json")
    write_json(tmp_path / "record.json", {})
    assert (tmp_path / "mine.json").read_text() == "mine"
    assert not (tmp_path / "record.json").is_symlink() and (tmp_path / "record.json").read_text() == "{}\n"


def test_a_link_among_the_locks_of_a_cluster_is_not_followed(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_worker.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(ray_worker.tempfile, "tempdir", str(tmp_path))
    trap = tmp_path / f"{ray_worker._PREFIX}x"
    trap.mkdir()
    (tmp_path / "mine.txt").write_text("mine")
    (trap / "lock").symlink_to(tmp_path / "mine.txt")
    folder, file = ray_worker._own_folder()
    file.close()
    assert trap.is_dir() and folder.is_dir()
