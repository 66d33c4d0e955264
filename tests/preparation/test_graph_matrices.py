"""Matrices as people keep them: with names, sparse, as published; and distances are never taken for weights."""

import pickle

import numpy as np
import pytest
from scipy import sparse

import prepare
from stlora_ext.data.prepared import load_meta
from stlora_ext.errors import UserError
from tests.preparation.with_graph import prepared, refusal, text, weights, written
from tests.support.commands import SHARED
from tests.support.graphs import load_adjacency
from tests.support.raw_files import NAMES, STEPS

PUBLISHED = SHARED / "data" / "published"
published = pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"the published files are not there: {PUBLISHED}")
MATRIX = np.array([[0, 0.5, 0], [0, 1, 0], [0.25, 0, 1]], dtype=np.float32)
FIVE = ["a", "b", "c", "d", "e"]


def plane(names=FIVE, scale=1.0):
    """Distances between points of a plane."""
    points = np.random.default_rng(3).uniform(0, 10, (len(names), 2))
    return scale * np.linalg.norm(points[:, None] - points, axis=2)


def kernel():
    """Weights of a kernel over these distances, without those of sensors to themselves."""
    matrix = np.exp(-((plane() / 5) ** 2))
    np.fill_diagonal(matrix, 0)
    return matrix


@pytest.mark.parametrize("kind", ["csv", "semicolon", "tsv"])
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_a_matrix_with_names_is_read_by_name(tmp_path, capsys, kind, order):
    names = [NAMES[column] for column in order]
    path = written(tmp_path / ("m.tsv" if kind == "tsv" else "m.csv"), kind, MATRIX[np.ix_(order, order)], names)
    assert np.array_equal(weights(tmp_path, NAMES, "--graph", path), MATRIX)
    assert "read by name" in capsys.readouterr().out


def test_rows_of_a_named_matrix_may_stand_in_another_order_than_its_columns(tmp_path):
    lines = [",north,south,east", "east,0.25,0,1", "north,0,0.5,0", "south,0,1,0"]
    assert np.array_equal(weights(tmp_path, NAMES, "--graph", text(tmp_path / "m.csv", *lines)), MATRIX)


def test_a_matrix_with_names_in_its_first_row_alone_is_read(tmp_path):
    lines = ["north,south,east", "0,0.5,0", "0,1,0", "0.25,0,1"]
    assert np.array_equal(weights(tmp_path, NAMES, "--graph", text(tmp_path / "m.csv", *lines)), MATRIX)


def test_a_named_matrix_of_more_sensors_is_cut_to_the_datas_when_asked(tmp_path, capsys):
    matrix = np.eye(5)
    matrix[:3, :3] = MATRIX
    matrix[4, 0] = 0.9
    path = written(tmp_path / "m.csv", "csv", matrix, [*NAMES, "gone", "lost"])
    message = refusal(tmp_path, NAMES, "--graph", path)
    assert "'gone' and 1 more are only in m.csv" in message and "--subset" in message
    assert np.array_equal(weights(tmp_path, NAMES, "--graph", path, "--subset"), MATRIX)
    assert "2 sensors ('gone', 'lost') left out with 3 entries" in capsys.readouterr().out


def test_a_named_matrix_that_lacks_a_sensor_is_refused(tmp_path):
    path = written(tmp_path / "m.csv", "csv", np.eye(2), NAMES[:2])
    assert "sensor 'east' is only in the data" in refusal(tmp_path, NAMES, "--graph", path, "--subset")


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
def test_a_sparse_matrix_is_read(tmp_path, capsys, kind):
    sparse.save_npz(tmp_path / "m.npz", sparse.coo_array(MATRIX).asformat(kind))
    assert np.array_equal(weights(tmp_path, NAMES, "--graph", tmp_path / "m.npz"), MATRIX)
    assert "read by position" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shape": np.array([10**9, 10**9])}, "shape (1000000000, 1000000000)"),
        ({"shape": np.array([4, 4])}, "shape (4, 4)"),
        ({"indices": np.array([1, 1, 0, 7], dtype=np.int32)}, "damaged"),
        ({"indptr": np.array([0, 1, 2, 400], dtype=np.int32)}, "damaged"),
        ({"data": np.array(["a", "b", "c", "d"])}, "numbers of shape"),
        ({"format": np.array(b"bsr")}, "tocsr"),
    ],
)
def test_a_sparse_matrix_that_is_damaged_or_of_another_network_is_refused(tmp_path, change, said):
    sparse.save_npz(tmp_path / "m.npz", sparse.csr_array(MATRIX))
    with np.load(tmp_path / "m.npz") as file:
        arrays = dict(file) | change
    np.savez(tmp_path / "m.npz", **arrays)
    assert said in refusal(tmp_path, NAMES, "--graph", tmp_path / "m.npz")


def save(folder, kind, matrix, names):
    """Write a matrix as a file of some kind; return its path."""
    path = folder / f"m.{ {'named': 'csv', 'sparse': 'npz', 'list': 'csv'}.get(kind, kind) }"
    {
        "csv": lambda: np.savetxt(path, matrix, delimiter=","),
        "npy": lambda: np.save(path, matrix),
        "npz": lambda: np.savez(path, adj=matrix),
        "pkl": lambda: path.write_bytes(pickle.dumps([names, {}, matrix], protocol=2)),
        "named": lambda: written(path, "csv", matrix, names),
        "sparse": lambda: sparse.save_npz(path, sparse.csr_array(matrix)),
        "list": lambda: text(
            path, *[f"{a},{b},{matrix[i, j]}" for i, a in enumerate(names) for j, b in enumerate(names)]
        ),
    }[kind]()
    return path


KINDS = ["csv", "npy", "npz", "pkl", "named", "sparse", "list"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1000, 1, 0.01], ids=["metres", "km", "degrees"])
def test_distances_are_no_weights_and_the_remedy_works(tmp_path, kind, scale):
    path = save(tmp_path, kind, plane(scale=scale), FIVE)
    message = refusal(tmp_path, FIVE, "--graph", path)
    assert "look like distances" in message and f"--distances {path}" in message
    stored = weights(tmp_path, FIVE, "--distances", path)
    near = np.argsort(plane(), axis=1)
    assert all(np.diff(row[order]).max() <= 0 for row, order in zip(stored, near, strict=True))


def test_few_distances_are_no_weights_either(tmp_path):
    roads = np.zeros((5, 5))
    roads[0, 1], roads[1, 2], roads[3, 4] = 1200, 300, 80
    assert "they reach 1200" in refusal(tmp_path, FIVE, "--graph", save(tmp_path, "npy", roads, FIVE))
    unreachable = np.where(np.eye(5) > 0, 0, np.where(plane() < 5, plane() / 10, np.inf))
    assert "infinite" in refusal(tmp_path, FIVE, "--graph", save(tmp_path, "npy", unreachable, FIVE))


@pytest.mark.parametrize("kind", KINDS)
def test_weights_stay_weights(tmp_path, kind):
    binary = 1 - np.eye(5)
    with_self = np.eye(5) + 3 * (plane() < 4)
    for matrix in (kernel(), binary, with_self):
        stored = weights(tmp_path, FIVE, "--graph", save(tmp_path, kind, matrix, FIVE))
        assert np.allclose(stored, matrix, rtol=1e-6)


def test_weights_beyond_one_are_said(tmp_path, capsys):
    weights(tmp_path, FIVE, "--graph", save(tmp_path, "npy", 2.5 * np.eye(5) + 3 * kernel(), FIVE))
    assert "if they are distances, give them with --distances" in capsys.readouterr().out


@pytest.mark.parametrize("column", ["cost", "weight"])
@pytest.mark.parametrize("half", [False, True], ids=["both ways", "one way"])
def test_a_list_of_all_pairs_is_no_graph_and_the_remedy_works(tmp_path, column, half):
    pairs = [(i, j) for i in range(5) for j in range(5) if i < j or not half]
    lines = [f"{FIVE[i]},{FIVE[j]},{100 * plane()[i, j]}" for i, j in pairs]
    path = text(tmp_path / "all.csv", f"from,to,{column}", *lines)
    message = refusal(tmp_path, FIVE, "--graph", path)
    assert f"--distances {path}" in message
    if column == "cost":
        assert 0 < np.count_nonzero(weights(tmp_path, FIVE, "--distances", path)) < 25


def test_distances_inside_the_raw_archive_are_no_weights(tmp_path):
    path = tmp_path / "raw.npz"
    np.savez(path, data=np.random.default_rng(0).uniform(1, 9, (STEPS, 5)), adj=plane())
    argv = ["MINE", "--raw", str(path), "--start", "2024-01-01", "--interval", "15", "--data", str(tmp_path / "out")]
    with pytest.raises(UserError, match="look like distances") as caught:
        prepare.main(argv)
    assert f"--distances {path} --graph-key adj" in str(caught.value)
    prepare.main([*argv, "--distances", str(path), "--graph-key", "adj"])
    assert load_adjacency(tmp_path / "out", load_meta(tmp_path / "out", "MINE"))[0, 0] == 1


@published
@pytest.mark.parametrize(("file", "edges"), [("adj_mx_bay.pkl", 2694), ("pems-bay-adj.npz", 38887)])
def test_the_published_matrices_are_weights(tmp_path, file, edges):
    names = [line.split(",")[0] for line in (PUBLISHED / "graph_sensor_locations_bay.csv").read_text().split()]
    stored = weights(tmp_path, names, "--graph", PUBLISHED / file)
    assert np.count_nonzero(stored) == edges and np.array_equal(np.diag(stored), np.ones(325))


def test_a_matrix_as_numpy_writes_text_is_read(tmp_path):
    np.savetxt(tmp_path / "m.txt", MATRIX)
    assert np.array_equal(weights(tmp_path, NAMES, "--graph", tmp_path / "m.txt"), MATRIX)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_the_graph_of_a_prepared_set_is_read_by_the_names_of_its_sensors(tmp_path, capsys, order):
    names = [NAMES[column] for column in order]
    save(tmp_path, "npy", MATRIX[np.ix_(order, order)], names)
    first = prepared(tmp_path, names, "--graph", tmp_path / "m.npy").rename(tmp_path / "first")
    assert np.array_equal(weights(tmp_path, NAMES, "--graph", first / "MINE" / "graph.npz"), MATRIX)
    assert "graph of a prepared data set, read by name" in capsys.readouterr().out
    (tmp_path / "out").rename(tmp_path / "second")
    message = refusal(tmp_path, ["x", "south", "east"], "--graph", first / "MINE" / "graph.npz")
    assert "name different sensors" in message


def test_names_of_a_graph_become_those_of_readings_without_names(tmp_path, capsys):
    np.save(tmp_path / "raw.npy", np.random.default_rng(0).uniform(1, 9, (STEPS, 3)))
    path = written(tmp_path / "m.csv", "csv", MATRIX, NAMES)
    argv = ["MINE", "--raw", tmp_path / "raw.npy", "--start", "2024-01-01", "--interval", "15", "--graph", path]
    prepare.main([*map(str, argv), "--data", str(tmp_path / "out")])
    meta = load_meta(tmp_path / "out", "MINE")
    assert meta.sensor_ids == NAMES and np.array_equal(load_adjacency(tmp_path / "out", meta), MATRIX)
    assert "they take the names of m.csv, in its order" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([",north,south,east", "north,0,1,0", "south,0,0,1", "west,0,0,0"], "different sensors ('east', 'west')"),
        ([",north,south,south", "north,0,1,0", "south,0,0,1", "south,0,0,0"], "each once"),
        ([",north,south,east", "north,0,,0", "south,0,0,1", "east,0,0,0"], "is nan"),
        (["a,b,cost", "north,south,3"], "origin_id,destination_id"),
    ],
)
def test_a_matrix_whose_names_or_cells_are_wrong_is_refused(tmp_path, lines, said):
    assert said in refusal(tmp_path, NAMES, "--graph", text(tmp_path / "m.csv", *lines))
