"""Weights from distances: the kernel as DCRNN published it, its options, and what it refuses."""

import csv

import numpy as np
import pytest

from stlora_ext.preparation.safe_pickle import load_adjacency_pickle
from tests.preparation.with_graph import prepared, refusal, text, weights, written
from tests.support.commands import SHARED
from tests.support.raw_files import NAMES

PUBLISHED = SHARED / "data" / "published"
LIST = ["from,to,cost", "north,north,0", "north,south,3", "south,north,4", "east,north,12", "south,east,1"]
DISTANCES = np.array([[0, 3, np.nan], [4, np.nan, 1], [12, np.nan, np.nan]])


def expected(sigma, threshold=0.1):
    with np.errstate(invalid="ignore"):
        kernel = np.exp(-((DISTANCES / sigma) ** 2))
        return np.where(kernel >= threshold, kernel, 0).astype(np.float32)


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"the published distances are not there: {PUBLISHED}")
@pytest.mark.parametrize("reverse", [False, True], ids=["as published", "columns in another order"])
def test_pems_bays_distances_give_its_published_weights(tmp_path, capsys, reverse):
    names, matrix = load_adjacency_pickle(PUBLISHED / "adj_mx_bay.pkl")
    order = np.arange(325)[::-1] if reverse else np.arange(325)
    stored = weights(tmp_path, [names[i] for i in order], "--distances", PUBLISHED / "distances_bay_2017.csv")
    assert np.abs(stored - matrix[np.ix_(order, order)]).max() < 1e-6
    assert np.array_equal(stored > 0, matrix[np.ix_(order, order)] > 0)
    said = capsys.readouterr().out
    assert "sigma 3620.3 (their standard deviation), threshold 0.1; 2694 edges kept, 5664 below" in said
    assert "read by name: 8358" in said


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"the published distances are not there: {PUBLISHED}")
def test_sigma_follows_from_the_distances_that_are_used(tmp_path):
    with open(PUBLISHED / "distances_bay_2017.csv", newline="") as file:
        rows = list(csv.reader(file))
    names = sorted({row[0] for row in rows})[:100]
    used = [float(row[2]) for row in rows if row[0] in names and row[1] in names]
    stored = weights(tmp_path, names, "--distances", PUBLISHED / "distances_bay_2017.csv", "--subset")
    row = next(row for row in rows if row[0] in names and row[1] in names and 0 < float(row[2]) < 2000)
    assert stored[names.index(row[0]), names.index(row[1])] == pytest.approx(
        np.exp(-((float(row[2]) / np.std(used)) ** 2)), abs=1e-6
    )


@pytest.mark.parametrize("header", ["from,to,cost", "source,target,distance", "origin_id,destination_id,length", None])
def test_the_kernel_is_directed_and_keeps_self_loops_of_the_file_alone(tmp_path, header):
    path = text(tmp_path / "d.csv", *([header] if header else []), *LIST[1:])
    sigma = np.nanstd(DISTANCES)
    assert np.allclose(weights(tmp_path, NAMES, "--distances", path), expected(sigma), atol=1e-7)
    with np.load(tmp_path / "out" / "MINE" / "graph.npz") as graph:
        assert np.array_equal(graph["distance"], DISTANCES[graph["source"], graph["target"]])


@pytest.mark.parametrize(
    ("options", "sigma", "threshold"),
    [(["--sigma", 2], 2, 0.1), (["--threshold", 0.5], None, 0.5), (["--sigma", 10, "--threshold", 0], 10, 0)],
)
def test_sigma_and_threshold_are_those_that_are_stated(tmp_path, capsys, options, sigma, threshold):
    path = text(tmp_path / "d.csv", *LIST)
    stored = weights(tmp_path, NAMES, "--distances", path, *options)
    assert np.allclose(stored, expected(sigma or np.nanstd(DISTANCES), threshold), atol=1e-7)
    said = capsys.readouterr().out
    assert f"threshold {threshold:g}" in said and ("as stated" in said) == (sigma is not None)


def test_of_a_full_matrix_zeros_are_distances_and_of_a_sparse_one_no_connection(tmp_path, capsys):
    full = [[0, 3, 5], [3, 0, 0], [5, 0, 0]]
    stored = weights(tmp_path, NAMES, "--distances", written(tmp_path / "m.csv", "csv", full, NAMES), "--sigma", 9)
    assert np.allclose(stored, np.exp(-((np.array(full) / 9) ** 2)))
    assert "2 zeros off the diagonal of m.csv are distances" in capsys.readouterr().out
    few = [[0, 3, 0], [0, 0, 0], [5, 0, 0]]
    stored = weights(tmp_path, NAMES, "--distances", written(tmp_path / "m.csv", "csv", few, NAMES), "--sigma", 9)
    assert np.array_equal(stored > 0, np.array(few) > 0)
    assert "a 0 means no connection" in capsys.readouterr().out


def test_infinite_distances_are_no_edges_and_the_last_of_repeated_ones_counts(tmp_path, capsys):
    path = text(tmp_path / "d.csv", "from,to,cost", "north,south,9", "north,east,inf", "north,south,3", "east,south,1")
    stored = weights(tmp_path, NAMES, "--distances", path, "--sigma", 5)
    assert stored[0, 1] == pytest.approx(np.exp(-9 / 25)) and stored[0, 2] == 0
    said = capsys.readouterr().out
    assert "1 distances of d.csv are infinite or missing" in said and "1 repeated pairs" in said


@pytest.mark.parametrize(
    ("lines", "options", "said"),
    [
        (LIST, ["--sigma", 0], "--sigma 0.0: expected a number above 0"),
        (LIST, ["--sigma", "nan"], "--sigma nan"),
        (LIST, ["--threshold", 1.5], "--threshold 1.5: expected a weight from 0 to 1"),
        (["from,to,weight", "north,south,1"], [], "holds weights, no distances"),
        (["from,to", "north,south"], [], "edges without a number"),
        (
            ["from,to,cost", "north,south,5", "south,east,5"],
            [],
            "do not differ (2 in all): no sigma follows from them; give --sigma",
        ),
        (["from,to,cost", "north,south,-5", "south,east,5"], [], "expected none below 0"),
        (["from,to,cost", "north,west,5", "south,east,7"], [], "--subset"),
    ],
)
def test_what_gives_no_weights_is_refused(tmp_path, lines, options, said):
    assert said in refusal(tmp_path, NAMES, "--distances", text(tmp_path / "d.csv", *lines), *options)


@pytest.mark.parametrize("other", [["--graph", "PATH"], ["--neighbors", "2"]])
def test_two_graphs_are_refused_by_name(tmp_path, other):
    path = text(tmp_path / "d.csv", *LIST)
    message = refusal(tmp_path, NAMES, "--distances", path, *[path if word == "PATH" else word for word in other])
    assert "--distances" in message and other[0] in message and "one of them" in message


@pytest.mark.parametrize("option", [["--sigma", 3], ["--threshold", 0.2]])
def test_options_of_the_kernel_without_distances_are_refused(tmp_path, option):
    assert "add --distances" in refusal(tmp_path, NAMES, "--graph", text(tmp_path / "e.csv", "north,south"), *option)


def test_the_graph_of_a_prepared_set_is_no_file_of_distances(tmp_path):
    prepared(tmp_path, NAMES, "--distances", text(tmp_path / "d.csv", *LIST))
    (tmp_path / "out").rename(tmp_path / "first")
    message = refusal(tmp_path, NAMES, "--distances", tmp_path / "first" / "MINE" / "graph.npz")
    assert "give it as --graph" in message


def test_an_empty_cell_is_no_distance(tmp_path):
    lines = [",north,south,east", "north,0,3,", "south,3,0,4", "east,,4,0"]
    stored = weights(tmp_path, NAMES, "--distances", text(tmp_path / "m.csv", *lines), "--sigma", 5)
    assert np.array_equal(stored > 0, [[1, 1, 0], [1, 1, 1], [0, 1, 1]])


@pytest.mark.parametrize("loops", [[], ["north,north,0", "south,south,0"]])
def test_distances_that_leave_no_edge_between_sensors_are_refused_and_a_wider_kernel_keeps_some(loops, tmp_path):
    path = text(tmp_path / "d.csv", "from,to,cost", *loops, "north,south,900", "south,east,950", "east,north,990")
    options = ["--distances", path, "--sigma", "100"]
    said = refusal(tmp_path, NAMES, *options)
    assert "the smallest distance is 900" in said and "larger --sigma" in said
    assert (weights(tmp_path, NAMES, "--distances", path, "--sigma", "1000") > 0).sum() == 3 + len(loops)


@pytest.mark.parametrize("kind", ["csv", "semicolon", "tsv"])
def test_correlations_given_as_distances_are_refused_and_read_as_the_graph(kind, tmp_path):
    correlations = np.array([[1, 0.9, 0.4], [0.9, 1, 0.5], [0.4, 0.5, 1]])
    path = written(tmp_path / "c.csv", kind, correlations, NAMES)
    assert "from a sensor to itself" in (said := refusal(tmp_path, NAMES, "--distances", path)) and "--graph" in said
    assert np.allclose(weights(tmp_path, NAMES, "--graph", path), correlations)


@pytest.mark.parametrize("back", [False, True])
def test_distances_in_one_direction_alone_are_told(back, tmp_path, capsys):
    rows = ["north,south,3", "south,east,1", "east,north,12", "north,north,0"] + ["south,north,3"] * back
    weights(tmp_path, NAMES, "--distances", text(tmp_path / "d.csv", "from,to,cost", *rows))
    assert ("an edge leads one way" in capsys.readouterr().out) is not back
