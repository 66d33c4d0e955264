"""The chapter of new sensors: what it shows, and that no other chapter changes with it."""

import re

import pytest

from experiments import report as report_command
from tests.report.test_stream_chapter import chapters, figure, made, static
from tests.support.commands import refusal
from tests.support.new_sensors_records import every_arm, new_sensors
from tests.support.stream_records import every_arm as streams
from tests.support.table_records import write

FIGURE = "new-sensors-0-days-figure"


def beside_static(records):
    """Return static records and ``records``, all of windows of one length."""
    for run in records:
        run["configuration"]["training"]["input_len"] = 12
    return [*static(), *records]


def test_no_other_chapter_changes_with_records_of_new_sensors_beside(tmp_path):
    others = beside_static(streams())
    alone = chapters(made(others, tmp_path / "a"))
    beside = chapters(made([*others, *beside_static(every_arm())[len(static()) :]], tmp_path / "b"))
    assert list(alone) == ["data-0", "stream-0"] and list(beside) == [*alone, "new-sensors-0"]
    for name, text in alone.items():
        assert beside[name].replace(str(tmp_path / "b"), str(tmp_path / "a")) == text


def test_records_of_new_sensors_alone_are_one_chapter_with_figure_table_and_provenance(tmp_path):
    text = made(every_arm(), tmp_path)
    assert list(chapters(text)) == ["new-sensors-0"] and "sensors that were set aside" in text
    headings = re.findall(r"<h3 id=\"new-sensors-0-[a-z]+\">(.*?)</h3>", text)
    assert headings == ["Error against days", "Tables", "Provenance"]
    assert "new sensors, LSTM: average MAE, differences" in text


def test_the_figure_has_plus_against_days_and_the_other_arms_as_levels_of_each_backbone(tmp_path):
    records = [*every_arm(), *every_arm(backbone="NLinear", days=(0.0, 1.0, 7.0))]
    drawn, changes = figure(made(records, tmp_path), FIGURE)
    lines = {(*trace["meta"], trace["name"]): trace for trace in drawn["data"]}
    arms = ["base (zero-shot)", "control", '"+"', "full"]
    assert list(lines) == [(place, arm) for place in (0, 1) for arm in arms]
    assert lines[0, '"+"']["x"] == ["0 d", "1 d", "3 d", "all"] and lines[0, '"+"']["y"] == [31.5, 29.5, 25.5, 23.5]
    assert lines[1, "full"]["x"] == ["0 d", "1 d", "7 d", "all"] and set(lines[1, "full"]["y"]) == {23.5}
    assert [change["xaxis.categoryarray"] for change in changes] == [lines[place, "full"]["x"] for place in (0, 1)]
    assert [trace["visible"] for trace in drawn["data"]] == [True] * 4 + [False] * 4


def test_bars_are_those_of_the_picture(tmp_path):
    """The interval of "+" minus control over splits, about the mean of "+"."""
    records = [new_sensors("control", split, 0, 40.0) for split in range(3)]
    records += [new_sensors("plus", split, 0, [39.0 - 2 * split] * 2, days=(1.0,)) for split in range(3)]
    drawn, _ = figure(made(records, tmp_path), FIGURE)
    bars = drawn["data"][-1]["error_y"]
    assert bars["array"] == bars["arrayminus"] == pytest.approx([4.9683] * 2, abs=1e-4)  # t of 2 degrees, 4.3027


def test_arms_of_other_sensors_have_tables_but_no_figure_and_the_page_says_why(tmp_path):
    text = made(beside_static([new_sensors("base", 0), new_sensors("plus", 1, 0, [1.0] * 4)]), tmp_path)
    assert "no split and seed of LSTM on D ran in every arm" in text and "new sensors, LSTM" in text
    assert FIGURE not in text and list(chapters(text)) == ["data-0", "new-sensors-0"]


def test_nodes_have_no_forecasts_in_it(tmp_path, capsys):
    results = write(every_arm(), tmp_path / "results")
    out = ["--results", results, "--data", tmp_path, "--out", tmp_path / "page.html", "--nodes", "1"]
    assert "shows no forecasts of protocol new-sensors; leave it out" in refusal(report_command.main, out, capsys)
