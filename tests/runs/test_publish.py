"""publish.py copies confirmed records, and replaces other scores only when told to."""

import json
import shutil

import pytest

from experiments import publish, verify
from stlora_ext.errors import UserError
from tests.support.commands import refusal
from tests.support.reopened import data, finished, rewrite
from tests.support.streamed import streamed


@pytest.fixture
def runs(tmp_path):
    """A results folder with two finished runs, and where to publish."""
    return copied([finished("LSTM"), finished("LSTM+")], tmp_path)


def copied(records, folder):
    """Copy finished runs, and return the folder that holds them and one to publish in."""
    for record in records:
        place = folder / "results" / "QUICK" / record.parent.name
        shutil.copytree(record.with_suffix(""), place / record.stem, ignore=shutil.ignore_patterns("tensorboard"))
        shutil.copy(record, place / record.name)
    return folder / "results", folder / "published"


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


def test_what_is_published_already_is_not_verified_again(runs, capsys):
    publish.main(list(map(str, arguments(runs, "--models", "LSTM"))))
    shutil.rmtree(next((runs[0] / "QUICK" / "LSTM").glob("*/")))  # nothing that it could be verified with
    capsys.readouterr()
    publish.main(list(map(str, arguments(runs))))
    said = capsys.readouterr().out
    assert "published already, and left as they are: 1 of 2" in said and said.count(": confirmed (") == 1
    assert len(published(runs)) == 2
    publish.main(list(map(str, arguments(runs, "--force"))))
    assert "left as they are: 2 of 2" in capsys.readouterr().out


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


def test_scores_that_are_published_without_the_sums_of_days_are_the_same(runs):
    publish.main(list(map(str, arguments(runs))))
    for path in published(runs):
        rewrite(runs[1] / path, lambda r: r["test"].pop("periods"))
    publish.main(list(map(str, arguments(runs))))
    assert all(json.loads((runs[1] / path).read_text())["test"]["periods"] for path in published(runs))
    for path in published(runs):
        rewrite(runs[1] / path, lambda r: r["test"]["periods"]["absolute"].__setitem__(0, 1.0))
    with pytest.raises(UserError, match="is published with other scores"):
        publish.main(list(map(str, arguments(runs))))


@pytest.fixture
def streams(tmp_path):
    """The same with the runs of a stream, and the backbone that they went on from."""
    return copied([finished("LSTM"), *(streamed(arm) for arm in ("base", "plus", "finetune"))], tmp_path)


def test_a_stream_is_published_as_it_is_and_its_copy_is_confirmed(streams, capsys):
    publish.main(list(map(str, arguments(streams))))
    assert len(published(streams)) == 4 and capsys.readouterr().out.count(": confirmed (") == 4
    verify.main(list(map(str, [streams[1], "--results", streams[0], "--data", data()])))
    assert "4 records: 4 confirmed, 0 differ, 0 can't be confirmed" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r["test"]["average"].update(MAE=1.0),
        lambda r: r["test"]["periods"]["absolute"].__setitem__(1, 1.0),
        lambda r: r["stream"]["loss"].__setitem__(1, 1.0),
        lambda r: r["stream"].update(seconds_per_update=0.001),
    ],
)
def test_a_stream_is_walked_again_before_it_is_published(change, streams, capsys):
    (record,) = (streams[0] / "QUICK" / "LSTM+").glob("*.json")
    rewrite(record, change)
    line = refusal(publish.main, arguments(streams), capsys)
    assert f"{record} differs: " in line and "nothing is published" in line and not published(streams)


def test_a_stream_without_its_backbone_is_not_published(streams, capsys):
    shutil.rmtree(next((streams[0] / "QUICK" / "LSTM").glob("joint-base-*-seed0")))
    line = refusal(publish.main, arguments(streams, "--models", "LSTM+"), capsys)
    assert "the backbone that" in line and "went on from is not there" in line and not published(streams)
