"""publish.py copies confirmed records, and replaces other scores only when told to."""

import json
import shutil

import pytest

from experiments import publish
from tests.support.commands import refusal
from tests.support.reopened import data, finished, rewrite


@pytest.fixture
def runs(tmp_path):
    """A results folder with two finished runs, and where to publish."""
    for record in (finished("LSTM"), finished("LSTM+")):
        place = tmp_path / "results" / "QUICK" / record.parent.name
        shutil.copytree(record.with_suffix(""), place / record.stem, ignore=shutil.ignore_patterns("tensorboard"))
        shutil.copy(record, place / record.name)
    return tmp_path / "results", tmp_path / "published"


def arguments(runs, *more):
    results, to = runs
    return ["--dataset", "QUICK", "--results", results, "--to", to, "--data", data(), *more]


def published(runs):
    return sorted(path.relative_to(runs[1]) for path in runs[1].rglob("*.json"))


def test_confirmed_records_are_published_as_they_are(runs, capsys):
    publish.main(list(map(str, arguments(runs))))
    assert len(published(runs)) == 2 and capsys.readouterr().out.count(": confirmed (") == 2
    for path in published(runs):
        assert json.loads((runs[1] / path).read_text()) == json.loads((runs[0] / path).read_text())
    publish.main(list(map(str, arguments(runs))))  # again: the same scores


@pytest.mark.parametrize(
    "change",
    [lambda r: r["test"]["average"].update(MAE=1.0), lambda r: r["training"]["history"][0]["val"].update(MAE=1.0)],
)
def test_nothing_is_published_where_a_record_is_not_confirmed(change, runs, capsys):
    (record,) = (runs[0] / "QUICK" / "LSTM+").glob("*.json")
    rewrite(record, change)
    line = refusal(publish.main, arguments(runs, "--force"), capsys)
    assert f"{record} differs: " in line and "nothing is published" in line and not published(runs)


def test_nothing_is_published_where_a_checkpoint_is_gone(runs, capsys):
    next((runs[0] / "QUICK").rglob("model.pt")).unlink()
    assert "repeat the run with: python experiments/run.py" in refusal(publish.main, arguments(runs), capsys)
    assert not published(runs)


def test_other_scores_are_replaced_only_by_force(runs, capsys):
    publish.main(list(map(str, arguments(runs))))
    there = runs[1] / published(runs)[0]
    rewrite(there, lambda r: r["test"]["average"].update(MAE=1.0))
    before = there.read_bytes()
    line = refusal(publish.main, arguments(runs), capsys)
    assert "is published with other scores (average MAE 1.0, now " in line and there.read_bytes() == before
    publish.main(list(map(str, arguments(runs, "--force"))))
    assert json.loads(there.read_text()) == json.loads((runs[0] / published(runs)[0]).read_text())
