"""The real public pieces (../shared/data): windows, readings and graphs as their publishers state them."""

import csv

import numpy as np
import pytest

import prepare
from stlora_ext.data.prepared import load_meta, load_split
from tests.support.commands import SHARED
from tests.support.graphs import load_adjacency

PIECES = SHARED / "data"
pytestmark = pytest.mark.skipif(not PIECES.is_dir(), reason=f"the real pieces are not there: {PIECES}")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("datasets")
    for name, file in (("PEMS08-TAIL", "PEMS08-part"), ("METR-LA-29", "METR-LA-29"), ("LOS-LOOP", "METR-LA-week")):
        prepare.main([name, "--raw", str(PIECES / f"{file}.npz"), "--data", str(folder)])
    return folder


@pytest.mark.parametrize(
    ("name", "windows"),
    [("PEMS08-TAIL", (4280, 1426, 1427)), ("METR-LA-29", (23974, 3425, 6850)), ("LOS-LOOP", (1395, 199, 399))],
)
def test_windows_are_those_of_the_protocol(root, name, windows):
    assert tuple(load_meta(root, name).windows.values()) == windows


@pytest.mark.parametrize(("name", "file"), [("PEMS08-TAIL", "PEMS08-part"), ("METR-LA-29", "METR-LA-29")])
def test_readings_and_weights_arrive_unchanged(root, name, file):
    meta = load_meta(root, name)
    with np.load(PIECES / f"{file}.npz") as archive:
        test, stamps = load_split(root, meta, "test")
        assert np.array_equal(test, archive["data"][-len(test) :])
        assert stamps[-1, 0] == np.float32(287 / 288)
        assert np.array_equal(load_adjacency(root, meta), archive["adj"])


def test_historical_average_has_the_published_error(root):
    meta = load_meta(root, "PEMS08-TAIL")
    values = load_split(root, meta, "test")[0].astype(np.float64)
    known = values != 0
    windows = np.lib.stride_tricks.sliding_window_view(values, 24, axis=0)
    seen = np.lib.stride_tricks.sliding_window_view(known, 24, axis=0)
    count = seen[..., :12].sum(-1)
    forecast = np.where(count > 0, windows[..., :12].sum(-1) / np.maximum(count, 1), 0)
    error = np.abs(windows[..., 12:] - forecast[..., None])
    mae = [error[..., step][seen[..., 12 + step]].mean() for step in (2, 5, 11)]
    assert mae == pytest.approx([24.74, 30.67, 42.42], abs=0.006)


@pytest.mark.parametrize("name", ["PEMS03", "PEMS04", "PEMS07", "PEMS08"])
def test_the_distance_csv_gives_the_public_graph(tmp_path, name):
    with np.load(PIECES / "graphs.npz") as graphs:
        expected, distance = graphs[name], graphs[f"{name}_dist"]
    with open(tmp_path / "edges.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["from", "to", "cost"])
        writer.writerows([a, b, distance[a, b]] for a, b in np.argwhere(expected)[::-1])
    np.savez(tmp_path / "raw.npz", data=np.ones((100, len(expected), 1)))
    stored = []
    for graph in (tmp_path / "edges.csv", PIECES / "graphs.npz"):
        out = tmp_path / graph.stem
        prepare.main(
            [name, "--raw", str(tmp_path / "raw.npz"), "--graph", str(graph), "--allow-other-shape", "--data", str(out)]
        )
        assert np.array_equal(load_adjacency(out, load_meta(out, name)), expected)
        stored.append((out / name / "graph.npz").read_bytes())
    assert stored[0] == stored[1]


def test_an_archive_of_weights_and_ids_is_found_by_the_name_of_the_set(tmp_path):
    with np.load(PIECES / "graphs.npz") as graphs:
        expected, ids = graphs["METRLA"], graphs["METRLA_ids"]
    np.savez(tmp_path / "raw.npz", data=np.ones((100, 207)))
    prepare.main(
        [
            "METR-LA",
            "--raw",
            str(tmp_path / "raw.npz"),
            "--graph",
            str(PIECES / "graphs.npz"),
            "--allow-other-shape",
            "--data",
            str(tmp_path),
        ]
    )
    meta = load_meta(tmp_path, "METR-LA")
    assert meta.sensor_ids == ids.tolist()
    assert np.array_equal(load_adjacency(tmp_path, meta), expected)
