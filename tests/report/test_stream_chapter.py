"""The chapter of a stream: what it shows, and that no other chapter changes with it."""

import json
import re

import pytest

from experiments import report as report_command
from tests.report.toy import report
from tests.support.commands import refusal
from tests.support.stream_records import every_arm, stream_record
from tests.support.table_records import seeds, write


def static():
    records = [
        *seeds([20.0, 21.0], dataset="D"),
        *seeds([19.0, 20.5], model="LSTM+", arm="plus", dataset="D"),
        *seeds([19.5, 20.6], model="LSTM+", arm="control", dataset="D"),
    ]
    for run in records:
        run["configuration"]["training"]["input_len"] = 12
        run["training"]["history"] = [{"epoch": 1, "loss": 21.0, "val": {"MAE": 20.0}}]
        run["test"]["nodes"] = {"MAE": [run["test"]["average"]["MAE"] + node for node in range(3)]}
    return records


def made(records, tmp_path, *arguments) -> str:
    """Return the page of records whose data aren't there, without the two scripts."""
    results = write(records, tmp_path / "results")
    report("--results", results, "--data", tmp_path / "no-data", "--out", tmp_path / "page.html", *arguments)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    return re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)


def chapters(text) -> dict[str, str]:
    """Return the chapters of a page by their anchors."""
    articles = re.findall(r'<article>\n(<h2 id="(.*?)">.*?)</article>', text, re.DOTALL)
    return {name: body for body, name in articles}


def figure(text, name):
    def refuse(constant):
        raise AssertionError(constant)

    parts = [
        re.search(rf'<script type="application/json" id="{name}-{part}">(.*?)</script>', text, re.DOTALL).group(1)
        for part in ("data", "changes")
    ]
    return [json.loads(part, parse_constant=refuse) for part in parts]


def test_no_other_chapter_changes_with_records_of_streams_beside(tmp_path):
    alone = chapters(made(static(), tmp_path / "a"))
    beside = chapters(made([*static(), *every_arm(), *every_arm("HA")[:-1]], tmp_path / "b"))
    assert list(alone) == ["data-0"] and list(beside) == ["data-0", "stream-0"]
    assert beside["data-0"].replace(str(tmp_path / "b"), str(tmp_path / "a")) == alone["data-0"]


def test_records_of_streams_alone_are_one_chapter(tmp_path):
    text = made(every_arm(), tmp_path)
    assert list(chapters(text)) == ["stream-0"] and "<h1>ST-LoRA: D</h1>" in text
    headings = re.findall(r"<h3 id=\"stream-0-[a-z-]+\">(.*?)</h3>", text)
    assert headings == ["Error over time", "Arms", "Tables", "Losses of the updates", "Provenance"]


def test_the_figure_shows_every_arm_of_every_backbone_week_by_week_and_period_by_period(tmp_path):
    gap = [100] * 7 + [0] * 7 + [100] * 16
    text = made([*every_arm("LSTM", counts=gap), *every_arm("HA")[:-1]], tmp_path)
    drawn, _ = figure(text, "stream-0-over-time-figure")
    lines = {(*trace["meta"], trace["name"]): trace for trace in drawn["data"]}
    arms = ["base", "control", "wide", "plus", "finetune"]
    assert list(lines) == [
        (place, option, arm) for place, names in ((0, arms[:-1]), (1, arms)) for option in (0, 1) for arm in names
    ]
    assert lines[1, 0, "plus"]["y"] == [10, None, 10, 10, 10] and len(lines[1, 1, "plus"]["y"]) == 30
    assert lines[1, 0, "plus"]["x"][0] == "2024-01-07T00:00:00" and lines[1, 0, "plus"]["text"][0] == "2024-01-03 12:00"
    assert [trace["visible"] for trace in drawn["data"]].count(True) == 4
    assert drawn["layout"]["xaxis"]["rangeslider"]["visible"] is True
    assert re.findall(r"<option value=\"\d\">(.*?)</option>", text)[:4] == ["HA", "LSTM", "weekly means", "each period"]


def test_a_base_far_above_the_others_is_cut_in_its_backbone_alone_and_its_name_tells_how_large_it_is(tmp_path):
    records = [stream_record("base", errors=[99.0] * 30), *every_arm()[1:], *every_arm("STGCN")]
    drawn, changes = figure(made(records, tmp_path), "stream-0-over-time-figure")
    ends = [f"yaxis.autorangeoptions.{end}" for end in ("minallowed", "maxallowed")]
    assert [[change[end] for end in ends] for change in changes] == [[0, 13.0], [None, None]]
    assert drawn["layout"]["yaxis"]["autorangeoptions"] == {"minallowed": 0, "maxallowed": 13.0}
    bases = [trace["name"] for trace in drawn["data"] if trace["name"].startswith("base")]
    assert bases == ["base, up to 99.00"] * 2 + ["base"] * 2


def test_less_than_two_weeks_have_no_weekly_means_to_choose(tmp_path):
    text = made(every_arm(errors=[10.0] * 13), tmp_path)
    drawn, _ = figure(text, "stream-0-over-time-figure")
    assert {len(trace["y"]) for trace in drawn["data"]} == {13} and "weekly means" not in text


def test_the_table_has_a_line_per_arm_with_score_and_cost(tmp_path):
    records = [run for seed, mae in enumerate((18.0, 19.0)) for run in every_arm(seed=seed)]
    for run in records:
        run["test"]["average"] = {"MAE": 18.0 + run["key"]["seed"], "RMSE": 30.0, "MAPE": 9.0}
    text = chapters(made(records, tmp_path))["stream-0"]
    lines = [
        re.findall(r"<td class=\"[a-z]+\">(.*?)</td>", row) for row in re.findall(r"<tr>.*?</tr>", text, re.DOTALL)
    ]
    scores = ["2", "18.50 ± 0.71", "30.00", "9.00"]
    shown = {line[0]: line[1:-1] for line in lines if line and line[0].startswith("LSTM, ")}
    assert shown == {
        "LSTM, base": [*scores, "0", "", "", ""],
        **{f"LSTM, {arm}": [*scores, "500", "0.25", "25.3", "75.0"] for arm in ("control", "wide", "plus")},
        "LSTM, finetune": [*scores, "100", "0.25", "", ""],
    }


def test_losses_are_those_of_every_run_that_was_updated(tmp_path):
    records = [run for seed in range(2) for run in every_arm(seed=seed)]
    for run in records:
        if run["stream"]["loss"]:
            run["stream"]["loss"][3] = None
    drawn, _ = figure(made(records, tmp_path), "stream-0-losses-figure")
    names = ["control", "wide", "plus", "finetune"]
    assert [trace["name"] for trace in drawn["data"]] == [name for name in names for _ in range(2)]
    assert all(trace["y"][:5] == [5, 5, 5, None, 5] for trace in drawn["data"])
    assert drawn["data"][0]["x"][:2] == ["2024-01-03T12:00:00", "2024-01-04T12:00:00"]
    text = made([stream_record("base")], tmp_path / "b")
    assert "Losses of the updates" not in text and "Error over time" in text


def test_models_are_chosen_in_both_chapters(tmp_path):
    records = [*static(), *every_arm(), *every_arm("STGCN")]
    text = made(records, tmp_path, "--models", "LSTM", "LSTM+")
    assert list(chapters(text)) == ["data-0", "stream-0"] and "STGCN" not in text
    assert list(chapters(made(records, tmp_path, "--models", "STGCN+"))) == ["stream-0"]


@pytest.mark.parametrize(
    ("records", "arguments", "message"),
    [
        (every_arm(), ["--nodes", "1"], "--nodes 1: the page shows no forecasts of protocol stream; leave it out"),
        (
            [*static(), stream_record() | {"test": static()[0]["test"]}],
            [],
            "doesn't hold the errors of its 30 periods: put back a whole copy, or repeat the run with --force",
        ),
    ],
)
def test_refusals_name_the_remedy(records, arguments, message, tmp_path, capsys):
    results = write(records, tmp_path / "results")
    out = ["--results", results, "--data", tmp_path, "--out", tmp_path / "page.html"]
    assert message in refusal(report_command.main, [*out, *arguments], capsys)
    assert not (tmp_path / "page.html").exists()
