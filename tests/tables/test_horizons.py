"""Which steps of a forecast are shown, what they are called, and --horizons of every table and picture."""

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import plot as plot_command
from experiments import report as report_command
from experiments import table as table_command
from stlora_ext.errors import UserError
from stlora_ext.horizons import reported_steps, step_title
from stlora_ext.plots import horizons as picture
from stlora_ext.runs.record import Scores
from stlora_ext.runs.scores import score_lines
from tests.host.toy import our_config, write_world
from tests.support.commands import refusal
from tests.support.profile import steady
from tests.support.table_records import markdown, record, seeds, write

MINUTES = {"min": 1, "h": 60, "d": 1440}


@pytest.mark.parametrize(
    ("num_steps", "steps"),
    [
        (1, (1,)),
        (2, (1, 2)),
        (3, (1, 2, 3)),
        (5, (2, 3, 5)),
        (6, (2, 3, 6)),
        (12, (3, 6, 12)),
        (24, (6, 12, 24)),
        (48, (12, 24, 48)),
    ],
)
def test_a_quarter_half_and_all_of_the_steps_are_reported(num_steps, steps):
    assert reported_steps(num_steps) == steps


@steady
@given(st.integers(1, 100))
def test_the_reported_steps_are_of_the_forecast_in_order_each_once_and_the_last_is_one(num_steps):
    steps = reported_steps(num_steps)
    assert list(steps) == sorted(set(steps)) and steps[0] >= 1 and steps[-1] == num_steps and len(steps) <= 3
    assert steps[0] - 1 < num_steps / 4 <= steps[0]


@pytest.mark.parametrize(
    ("step", "interval", "title"),
    [
        (3, 5, "15 min"),
        (12, 5, "60 min"),
        (24, 5, "2 h"),
        (36, 5, "3 h"),
        (1, 60, "1 h"),
        (24, 60, "24 h"),
        (48, 60, "2 d"),
        (25, 5, "125 min"),
        (7, 1440, "7 d"),
        (1, 1440, "1 d"),
        (96, 15, "24 h"),
        (192, 15, "2 d"),
    ],
)
def test_titles_are_what_a_reader_says(step, interval, title):
    assert step_title(step, interval) == title


@steady
@given(st.integers(1, 400), st.sampled_from([1, 5, 10, 15, 30, 60, 120, 720, 1440]))
def test_a_title_tells_the_exact_time_and_no_two_steps_share_one(step, interval):
    count, unit = step_title(step, interval).split()
    assert int(count) * MINUTES[unit] == step * interval


def steps_of(count, **settings):
    """Return records whose forecast has ``count`` steps."""
    found = [*seeds([20.0, 21.0], **settings), *seeds([19.0, 20.5], model="LSTM+", arm="plus", **settings)]
    for each in found:
        each["test"]["horizons"] = (each["test"]["horizons"] * 9)[:count]
    return found


@pytest.mark.parametrize(("count", "titles"), [(1, ["1 h"]), (3, ["1 h", "2 h", "3 h"]), (24, ["6 h", "12 h", "24 h"])])
def test_a_table_shows_the_steps_that_its_forecast_has(count, titles):
    head = markdown(steps_of(count, interval=60)).splitlines()[2]
    assert re.findall(r"\| ([^|]*?) MAE ", head) == ["average", *titles]


@pytest.mark.parametrize("form", ["markdown", "latex", "html", "csv"])
def test_horizons_of_a_table_are_those_asked_for_in_every_form(form, tmp_path, capsys):
    results = write(steps_of(24, dataset="TINY"), tmp_path)
    table_command.main(["--results", str(results), "--format", form, "--horizons", "24", "4", "24"])
    text = capsys.readouterr().out
    if form == "csv":
        assert list(dict.fromkeys(row["horizon"] for row in csv.DictReader(io.StringIO(text)))) == [
            "4",
            "24",
            "average",
        ]
    else:
        assert "20 min" in text and "2 h" in text and "60 min" not in text and "30 min" not in text


@pytest.mark.parametrize("asked", [["13"], ["0"], ["3", "25"], ["x"]])
def test_horizons_outside_the_forecast_are_refused_in_one_line(asked, tmp_path, capsys):
    results = write(steps_of(12, dataset="TINY"), tmp_path / "results")
    common = ["--dataset", "TINY", "--results", results, "--horizons", *asked]
    for main, more in (
        (table_command.main, []),
        (plot_command.main, ["--out", tmp_path / "a.png"]),
        (report_command.main, ["--out", tmp_path / "a.html", "--data", tmp_path]),
    ):
        line = refusal(main, [*common, *more], capsys)
        assert "--horizons" in line
        if asked[0] not in ("0", "x"):
            assert "the forecast of TINY has 12 steps; name steps from 1 to 12" in line
    assert not list(tmp_path.glob("a.*"))


@pytest.mark.parametrize(
    ("main", "arguments"),
    [
        (table_command.main, ["--dataset", "TINY", "--gains"]),
        (table_command.main, ["--dataset", "TINY", "--settings", "LSTM+"]),
        (table_command.main, ["--benchmark", "x.json"]),
        (table_command.main, ["--update", "README.md"]),
        (plot_command.main, ["--dataset", "TINY", "--out", "a.png", "--gains", "LSTM+"]),
    ],
)
def test_horizons_are_refused_where_none_are_shown(main, arguments, capsys):
    assert refusal(main, [*arguments, "--horizons", "3"], capsys).startswith("--horizons: only for ")


@pytest.mark.parametrize(
    ("count", "asked", "titles"), [(1, [], ["1 h"]), (12, [], ["3 h", "6 h", "12 h"]), (24, ["1", "5"], ["1 h", "5 h"])]
)
def test_a_picture_and_a_report_name_the_reported_steps_or_those_asked_for(count, asked, titles, tmp_path, monkeypatch):
    figures, plain = [], picture.Figure
    monkeypatch.setattr(picture, "Figure", lambda **settings: figures.append(plain(**settings)) or figures[-1])
    results = write(steps_of(count, dataset="TINY", interval=60), tmp_path / "results")
    common = ["--dataset", "TINY", "--results", str(results), *["--horizons", *asked] * bool(asked), "--out"]
    plot_command.main([*common, str(tmp_path / "a.png")])
    (axes,) = figures[0].axes
    assert [label.get_text() for label in axes.get_xticklabels()] == titles
    report_command.main([*common, str(tmp_path / "a.html"), "--data", str(tmp_path)])
    text = (tmp_path / "a.html").read_text()
    assert all(f'"{title}"' in text or f">{title}<" in text for title in titles)
    assert json.dumps(titles, separators=(",", ":")) in text


def test_published_scores_do_not_compare_with_forecasts_of_other_lengths(tmp_path, capsys):
    results = write(steps_of(3, dataset="PEMS04", num_nodes=307), tmp_path)
    table_command.main(["--results", str(results), "--compare"])
    text = capsys.readouterr().out
    assert "published ones of 12 steps in, 12 out: they don't compare" in text and "poster" not in text


def test_the_lines_of_a_run_have_the_titles_of_its_table():
    lines = score_lines(Scores(record()["test"]["average"], [record()["test"]["average"]] * 7), 360)
    assert [line.split(" MAE")[0].strip() for line in lines] == ["12 h", "24 h", "42 h", "average"]
    assert len({line.index("MAE") for line in lines}) == 1


@pytest.mark.parametrize("steps", [[0], [-1], [4], [1, 99], [1.5]])
def test_a_config_that_evaluates_steps_beyond_the_forecast_is_refused(steps, tmp_path):
    world = write_world(tmp_path / "world")
    last = our_config(world, tmp_path).dataset_params["output_len"]
    with pytest.raises(UserError, match=f"the forecast has {last} steps; name steps from 1 to {last}"):
        our_config(world, tmp_path, eval_horizons=steps)
