"""The parts of the report: distances, places, errors of nodes, forecasts, escapes."""

import ast
import base64
import hashlib
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from scipy.stats import spearmanr

from stlora_ext.data.prepared import load_split
from stlora_ext.errors import UserError
from stlora_ext.report.chapter import absent
from stlora_ext.report.choose import named_nodes, notable_nodes
from stlora_ext.report.distance import distance_from_average, rank_correlation
from stlora_ext.report.figure import Choice, Figure, label
from stlora_ext.report.forecasts import Forecasts, last_days, run_forecasts
from stlora_ext.report.nodes import NodeErrors, node_errors
from stlora_ext.report.page import Chapter, Section, page
from stlora_ext.report.placement import grid, place_by_edges
from stlora_ext.report.prepared import Prepared
from stlora_ext.runs.reopen import find_run
from stlora_ext.tables.pairs import blocks
from tests.support.commands import ROOT
from tests.support.reopened import WINDOW, data, finished, quick_meta, results, runner_forecast
from tests.support.table_records import rows, seeds


def readings(days=3, per_day=8, nodes=4):
    """Readings with gaps, and their times of day."""
    generator = np.random.default_rng(0)
    values = generator.uniform(5, 50, (days * per_day, nodes)).astype(np.float32)
    values[generator.random(values.shape) < 0.2] = 0
    return values, (np.arange(days * per_day) % per_day / per_day).astype(np.float32)


def test_the_distance_is_that_of_daily_profiles_loop_by_loop():
    values, times = readings()
    here = values != 0
    mean, std = values[here].astype(float).mean(), values[here].astype(float).std()
    profiles = []
    for node in range(4):
        by_time = [
            [(values[row, node] - mean) / std for row in range(len(values)) if row % 8 == slot and here[row, node]]
            for slot in range(8)
        ]
        profiles.append([sum(found) / len(found) if found else math.nan for found in by_time])
    average = [np.nanmean([profile[slot] for profile in profiles]) for slot in range(8)]
    expected = [
        math.sqrt(np.nanmean([(a - b) ** 2 for a, b in zip(profile, average, strict=True)])) for profile in profiles
    ]
    np.testing.assert_allclose(distance_from_average(values, times, 8, 0.0), expected, rtol=1e-9)


def test_a_node_without_a_reading_has_no_distance_and_moves_no_other():
    values, times = readings()
    dead = np.concatenate([values, np.full((len(values), 1), np.nan, np.float32)], axis=1)
    np.testing.assert_array_equal(
        distance_from_average(dead, times, 8, 0.0), [*distance_from_average(values, times, 8, 0.0), math.nan]
    )


def test_distances_come_from_training_data_alone(tmp_path):
    meta = quick_meta()
    prepared = Prepared(meta.num_nodes, data(), meta)
    values, stamps = load_split(data(), meta, "train")
    (tmp_path / "QUICK").mkdir()
    np.save(tmp_path / "QUICK" / "train_data.npy", values)
    np.save(tmp_path / "QUICK" / "train_timestamps.npy", stamps)
    alone = Prepared(meta.num_nodes, tmp_path, meta)
    np.testing.assert_array_equal(prepared.distances, alone.distances)
    assert len(prepared.distances) == 5 and (prepared.distances > 0).all()


def test_the_rank_correlation_is_scipys_over_the_known_nodes():
    first, second = np.array([1.0, 2, 3, 4, np.nan]), np.array([2.0, 1, 4, 9, 0])
    rho, p, count = rank_correlation(first, second)
    assert (rho, p) == tuple(spearmanr(first[:4], second[:4])) and count == 4
    assert rank_correlation(first[:2], second[:2]) is None
    assert rank_correlation(np.ones(5), second) is None


def test_a_path_is_laid_out_as_a_line():
    edges = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])
    xy = place_by_edges(5, edges)
    apart = np.linalg.norm(xy[:, None] - xy, axis=2)
    np.testing.assert_allclose(apart, np.abs(np.subtract.outer(np.arange(5), np.arange(5))), atol=0.05)
    np.testing.assert_array_equal(xy, place_by_edges(5, edges))


@pytest.mark.parametrize(
    ("num_nodes", "edges"), [(7, [[0, 1], [1, 2], [3, 4]]), (4, []), (1, []), (6, [[0, i] for i in range(1, 6)])]
)
def test_no_two_nodes_are_laid_on_each_other(num_nodes, edges):
    for xy in (place_by_edges(num_nodes, np.array(edges, dtype=int).reshape(-1, 2)), grid(num_nodes)):
        apart = np.linalg.norm(xy[:, None] - xy, axis=2)[~np.eye(num_nodes, dtype=bool)]
        assert xy.shape == (num_nodes, 2) and np.isfinite(xy).all() and (apart > 0.5).all()


def with_nodes(records, *errors):
    for record, each in zip(records, errors, strict=True):
        record["test"]["nodes"] = {"MAE": each}
    return records


def test_errors_of_nodes_are_means_over_pairs():
    """Seed 2 of the base has no partner and doesn't count."""
    base = with_nodes(seeds([20.0, 21.0, 22.0]), [1.0, 2.0, None], [3.0, 2.0, None], [99.0] * 3)
    plus = with_nodes(seeds([19.0, 20.0], model="LSTM+", arm="plus"), [2.0, 1.0, None], [1.0, 1.0, None])
    [found], without = node_errors(blocks(rows([*base, *plus], ())))
    assert (found.label, found.pairs, without) == ("LSTM+: joint, plus", 2, [])
    np.testing.assert_array_equal(found.difference, [-0.5, -1.0, np.nan])
    np.testing.assert_array_equal(found.percent, [-25.0, -50.0, np.nan])


def test_comparisons_without_errors_of_nodes_are_named():
    found, without = node_errors(blocks(rows([*seeds([20.0]), *seeds([19.0], model="LSTM+", arm="plus")], ())))
    assert (found, without) == ([], ["LSTM+: joint, plus"])


def test_the_telling_nodes_are_the_extremes_and_the_average_one():
    meta = quick_meta()
    prepared = Prepared(5, data(), meta)
    average = int(np.argmin(prepared.distances))
    others = [node for node in range(5) if node != average]
    plus = np.ones(5)
    plus[others[0]], plus[others[1]] = 0.2, 1.7
    errors = NodeErrors("x", np.ones(5), plus, 1)
    assert notable_nodes([errors], prepared) == {
        others[0]: "gains most",
        others[1]: "loses most",
        average: "nearest to the average node",
    }
    assert notable_nodes([], prepared) == {average: "nearest to the average node"}


def test_a_node_is_named_by_id_before_number():
    ids = ["4", "north", "south", "east", "west"]
    prepared = Prepared(5, data(), replace(quick_meta(), sensor_ids=ids))
    assert list(named_nodes("QUICK", ["south", "4", "1"], prepared)) == [2, 0, 1]
    with pytest.raises(UserError, match="QUICK has no node 'nort': did you mean 'north'"):
        named_nodes("QUICK", ["nort"], prepared)


@pytest.mark.parametrize(("model", "protocol"), [("HA", ""), ("LSTM+", ""), ("LSTM+", "adapt")])
def test_forecasts_are_the_runners(model, protocol):
    meta = quick_meta()
    forecasts = Forecasts(last_days(data(), meta, 99), tuple(range(5)), ("",) * 5)
    made = run_forecasts(find_run(finished(model, protocol), results()), forecasts, data())
    assert made.shape == (meta.windows["test"], 3, 5)
    np.testing.assert_allclose(
        made[WINDOW], runner_forecast(finished(model, protocol))[[2, 5, 11]], rtol=1e-4, atol=2e-3
    )


def test_the_last_days_are_the_last_windows():
    meta = quick_meta()
    stretch, whole = last_days(data(), meta, 1), last_days(data(), meta, 99)
    assert whole.windows == meta.windows["test"] >= stretch.windows
    np.testing.assert_array_equal(stretch.values, whole.values[-len(stretch.values) :])
    minutes = (stretch.start.hour * 60 + stretch.start.minute) / (24 * 60)
    assert stretch.stamps[0, 0] == pytest.approx(minutes, abs=1e-6)


STRANGE = "</script><!-- <b>&amp;\u2028 %{x} \"' {{ 7 * 7 }} {% raw %}"


def elements(markup):
    """The start tags of a page with their attributes, and its text, scripts apart."""

    class Reader(HTMLParser):
        tags, text, scripts = [], "", []

        def handle_starttag(self, tag, attrs):
            self.tags.append((tag, dict(attrs)))
            self.scripts += [""] * (tag == "script")

        def handle_data(self, data):
            if self.lasttag == "script" and self.cdata_elem == "script":
                self.scripts[-1] += data
            else:
                self.text += data

    reader = Reader()
    reader.feed(str(markup))
    reader.close()
    return reader


def test_a_label_of_plotly_holds_no_markup_and_no_placeholder():
    assert "<" not in label(STRANGE) and "%{" not in label(STRANGE) and "&amp;amp;" in label(STRANGE)


def test_a_figure_shows_strange_texts_as_they_are_and_its_data_read_back():
    trace = {"type": "scatter", "x": [1, None], "y": [2, math.nan], "text": [STRANGE, ""]}
    changes = ({"yaxis.title.text": STRANGE},)
    seen = elements(
        Figure("a", STRANGE, STRANGE, [trace], {}, (Choice(STRANGE, (STRANGE, "b")),), changes=changes).html()
    )
    assert [tag for tag, _ in seen.tags if tag in ("script", "b")] == ["script"] * 2
    assert seen.text.count(STRANGE) == 3 and dict(seen.tags)["div"]["aria-label"] == STRANGE
    drawn, changed = map(json.loads, seen.scripts)
    assert drawn["data"][0]["text"][0] == STRANGE and drawn["data"][0]["y"] == [2, None]
    assert changed == [{"yaxis.title.text": STRANGE}]


def test_a_page_shows_strange_titles_as_they_are_and_its_policy_names_its_two_scripts():
    seen = elements(page([Chapter("a", STRANGE, (Section("b", STRANGE, absent(STRANGE)),))], STRANGE))
    assert [attrs for tag, attrs in seen.tags if tag == "script"] == [{}, {}] and not dict(seen.tags).get("b")
    assert seen.text.count(STRANGE) == 8  # title, h1, summary, contents twice, h2, h3, paragraph
    policy = next(attrs["content"] for tag, attrs in seen.tags if attrs.get("http-equiv"))
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in seen.scripts]
    assert re.findall(r"'sha256-(.*?)'", policy) == digests and "unsafe-inline" not in policy.split("style-src")[0]


def test_no_html_is_put_together_in_python():
    """Elements are written in templates, which escape what they are filled with; plotly's labels have line breaks."""
    sources = [path for room in ("tables", "report") for path in (ROOT / "stlora_ext" / room).glob("*.py")]
    texts = [
        (path.name, node.value)
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    tags = re.compile(r"(?<!P)</?(?!br>|b>|extra>)[a-z][a-z0-9]*[ >]")
    assert len(sources) > 20 and [(name, text) for name, text in texts if tags.search(text)] == []
