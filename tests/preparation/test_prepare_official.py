"""Official raw files: their shapes, calendars and graphs arrive in the prepared layout unchanged."""

import csv
import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

import prepare
import simulate
from stlora_ext.data.catalog import CATALOG
from stlora_ext.data.prepared import load_meta, load_split
from stlora_ext.errors import UserError
from tests.support.commands import ROOT, SHARED
from tests.support.graphs import load_adjacency
from tests.support.raw_files import write_frame

PUBLISHED = SHARED / "data" / "published"
PY2_PICKLE = Path(__file__).parent / "fixtures" / "adj_mx_py2.pkl"
PY2_IDS = ["773869", "767541", "767542", "717447"]


def metr_la(path, num_steps=400, columns=tuple(PY2_IDS)):
    values = np.random.default_rng(0).integers(1, 70, (num_steps, len(columns))).astype(float)
    times = np.datetime64("2012-03-01") + np.arange(num_steps) * np.timedelta64(5, "m")
    return write_frame(path, values, times, [name.encode() for name in columns]), values


def run(tmp_path, *argv):
    prepare.main([*map(str, argv), "--data", str(tmp_path / "out")])
    return tmp_path / "out"


def refusal(tmp_path, *argv):
    with pytest.raises(UserError) as caught:
        run(tmp_path, *argv)
    return str(caught.value)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Short raw files in the official form of PEMS08 and PEMS03."""
    folder = tmp_path_factory.mktemp("raw")
    for name in ("PEMS08", "PEMS03"):
        simulate.main([name, "--raw-file", str(folder / f"{name}.npz"), "--days", "1"])
    return folder


def test_a_file_of_the_official_shape_needs_no_permission(tmp_path):
    data = np.random.default_rng(0).integers(0, 250, (17856, 170, 3), dtype=np.uint8)
    np.savez(tmp_path / "PEMS08.npz", data=data)
    root = run(tmp_path, "PEMS08", "--raw", tmp_path / "PEMS08.npz")
    meta = load_meta(root, "PEMS08")
    assert meta.windows == {"train": 10700, "val": 3566, "test": 3567}
    assert (meta.start, meta.null_val, meta.steps_per_day) == ("2016-07-01T00:00:00", 0, 288)
    values, stamps = load_split(root, meta, "test")
    assert np.array_equal(values, data[10700 + 3566 :, :, 0])
    assert stamps[0, 0] == np.float32((14266 % 288) / 288)
    assert load_split(root, meta, "train")[1][0, 1] == np.float32(4 / 7)  # a Friday


def test_metr_la_has_the_windows_of_the_protocol(tmp_path):
    times = np.datetime64("2012-03-01") + np.arange(34272) * np.timedelta64(5, "m")
    values = np.random.default_rng(0).integers(0, 70, (34272, 207), dtype=np.uint8)
    path = write_frame(tmp_path / "metr-la.h5", values, times, [b"%06d" % i for i in range(207)])
    root = run(tmp_path, "METR-LA", "--raw", path)
    assert load_meta(root, "METR-LA").windows == {"train": 23974, "val": 3425, "test": 6850}


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"the published graphs are not there: {PUBLISHED}")
@pytest.mark.parametrize(("name", "total"), [("METR-LA", 814.58), ("PEMS-BAY", 1654.75)])
def test_the_documented_command_prepares_the_official_shape_with_the_graph_as_published(tmp_path, name, total):
    entry = CATALOG[name]
    shutil.copy(PUBLISHED / entry.graph, tmp_path)
    with np.load(SHARED / "data" / "graphs.npz") as graphs:
        ids, matrix = graphs[f"{name.replace('-', '')}_ids"], graphs[name.replace("-", "")]
    columns = np.random.default_rng(1).permutation(entry.num_nodes)  # the data's order is another one
    times = np.datetime64(entry.start) + np.arange(entry.num_steps + 12) * np.timedelta64(5, "m")
    if name == "PEMS-BAY":  # no row in the hour that daylight saving skips
        times = times[(times < np.datetime64("2017-03-12T02:00")) | (times >= np.datetime64("2017-03-12T03:00"))]
    values = np.random.default_rng(0).integers(0, 70, (entry.num_steps, entry.num_nodes), dtype=np.uint8)
    names = [str(ids[column]) for column in columns]
    write_frame(tmp_path / entry.raw, values, times[: entry.num_steps], [each.encode() for each in names])

    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))
    command = re.search(rf"python datasets/prepare\.py ({name} --raw [^`\n]+)", pages)[1]
    root = run(tmp_path, *shlex.split(command.replace("PATH", str(tmp_path))))

    meta = load_meta(root, name)
    assert meta.sensor_ids == names
    adjacency = load_adjacency(root, meta)
    assert np.array_equal(adjacency, matrix[np.ix_(columns, columns)])
    assert adjacency.sum(dtype=np.float64) == pytest.approx(total, abs=0.005)


def test_another_shape_is_refused_with_the_expected_one(tmp_path, raw):
    message = refusal(tmp_path, "PEMS08", "--raw", raw / "PEMS08.npz")
    assert "(288, 170)" in message and "(17856, 170)" in message and "--allow-other-shape" in message
    assert not (tmp_path / "out").exists()


def test_distance_csv_gives_binary_directed_edges_and_keeps_the_distance(tmp_path, raw):
    root = run(tmp_path, "PEMS08", "--raw", raw / "PEMS08.npz", "--graph", raw / "PEMS08.csv", "--allow-other-shape")
    with open(raw / "PEMS08.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    expected = np.zeros((170, 170), dtype=np.float32)
    for row in rows:
        expected[int(row["from"]), int(row["to"])] = 1
    assert np.array_equal(load_adjacency(root, load_meta(root, "PEMS08")), expected)
    with np.load(root / "PEMS08" / "graph.npz") as graph:
        length = dict(zip(zip(graph["source"], graph["target"], strict=True), graph["distance"], strict=True))
    assert length[int(rows[5]["from"]), int(rows[5]["to"])] == np.float32(rows[5]["cost"])


def test_a_basicts_058_folder_of_an_official_set_gets_the_official_calendar(tmp_path, capsys):
    rows = np.arange(17856)
    content = np.zeros((17856, 170, 3), dtype=np.float32)
    content[:, :, 0] = np.random.default_rng(0).integers(0, 250, (17856, 170))
    content[:, :, 1] = (rows % 288 / 288)[:, None]
    content[:, :, 2] = (rows // 288 % 7 / 7)[:, None]  # counted from the first row, as BasicTS does for PEMS0x
    folder = tmp_path / "PEMS08"
    folder.mkdir()
    content.tofile(folder / "data.dat")
    (folder / "desc.json").write_text(
        json.dumps(
            {
                "shape": content.shape,
                "frequency (minutes)": 5,
                "feature_description": ["flow", "time of day", "day of week"],
            }
        )
    )
    root = run(tmp_path, "PEMS08", "--raw", folder)
    meta = load_meta(root, "PEMS08")
    values, stamps = load_split(root, meta, "train")
    assert meta.start == "2016-07-01T00:00:00" and stamps[0, 1] == np.float32(4 / 7)
    assert np.array_equal(values, content[: len(values), :, 0])
    assert "features are not used" in capsys.readouterr().out


def test_pems03_takes_the_order_of_its_sensors_from_the_id_list(tmp_path, raw):
    argv = ["PEMS03", "--raw", raw / "PEMS03.npz", "--graph", raw / "PEMS03.csv", "--allow-other-shape"]
    assert "--ids" in refusal(tmp_path, *argv)
    root = run(tmp_path, *argv, "--ids", raw / "PEMS03.txt")
    meta = load_meta(root, "PEMS03")
    assert meta.sensor_ids[:2] == ["313344", "313345"]
    assert load_adjacency(root, meta)[0, 1] == 1


def test_a_python_2_pickle_gives_its_matrix_as_it_is(tmp_path):
    path, values = metr_la(tmp_path / "metr-la.h5")
    root = run(tmp_path, "METR-LA", "--raw", path, "--graph", PY2_PICKLE, "--allow-other-shape")
    meta = load_meta(root, "METR-LA")
    expected = np.array([[1, 0.39, 0, 0], [0, 1, 0.5, 0], [0.2, 0, 1, 0], [0, 0, 0.7, 1]], dtype=np.float32)
    assert meta.sensor_ids == PY2_IDS
    assert np.array_equal(load_adjacency(root, meta), expected)
    assert np.array_equal(load_split(root, meta, "train")[0], values[: load_split(root, meta, "train")[0].shape[0]])


def test_a_graph_in_another_order_is_brought_into_the_order_of_the_columns(tmp_path, capsys):
    path, _ = metr_la(tmp_path / "metr-la.h5", columns=PY2_IDS[::-1])
    root = run(tmp_path, "METR-LA", "--raw", path, "--graph", PY2_PICKLE, "--allow-other-shape")
    adjacency = load_adjacency(root, load_meta(root, "METR-LA"))
    assert adjacency[3, 2] == np.float32(0.39) and adjacency[0, 1] == np.float32(0.7)
    assert "order of the data's columns" in capsys.readouterr().out


def test_a_graph_of_other_sensors_is_refused(tmp_path):
    path, _ = metr_la(tmp_path / "metr-la.h5", columns=[*PY2_IDS[:3], "999999"])
    message = refusal(tmp_path, "METR-LA", "--raw", path, "--graph", PY2_PICKLE, "--allow-other-shape")
    assert "'999999' is only in the data" in message


@pytest.mark.parametrize("unit", ["ns", "us"])
def test_pems_bay_skips_its_daylight_saving_hour_and_says_so(tmp_path, capsys, unit):
    times = np.datetime64("2017-03-12T00:00") + np.arange(288) * np.timedelta64(5, "m")
    times = np.delete(times, np.arange(24, 36))
    values = np.arange(276 * 2, dtype=float).reshape(276, 2) + 1
    path = write_frame(tmp_path / "pems-bay.h5", values, times, [400001, 400017], unit)
    root = run(tmp_path, "PEMS-BAY", "--raw", path, "--allow-other-shape")
    meta = load_meta(root, "PEMS-BAY")
    assert meta.num_steps == 276
    stamps = load_split(root, meta, "train")[1]
    assert stamps[24, 0] == np.float32(3 / 24)
    assert "daylight saving" in capsys.readouterr().out


def test_any_other_gap_in_an_official_file_is_refused(tmp_path):
    times = np.datetime64("2017-01-01") + np.delete(np.arange(300), 100) * np.timedelta64(5, "m")
    path = write_frame(tmp_path / "pems-bay.h5", np.ones((299, 2)), times, [400001, 400017])
    assert "--fill-gaps" in refusal(tmp_path, "PEMS-BAY", "--raw", path, "--allow-other-shape")


@pytest.mark.parametrize(
    "option",
    [
        ("--null", "5"),
        ("--start", "2020-01-01"),
        ("--train-ratio", "0.5"),
        ("--interval", "15"),
        ("--channel", "1"),
        ("--domain", "x"),
    ],
)
def test_what_is_fixed_for_a_known_set_is_not_overridden(tmp_path, raw, option):
    assert f"{option[0]} {option[1]}" in refusal(tmp_path, "PEMS08", "--raw", raw / "PEMS08.npz", *option)


def test_preparing_twice_gives_identical_bytes(tmp_path, raw):
    argv = ["PEMS08", "--raw", raw / "PEMS08.npz", "--graph", raw / "PEMS08.csv", "--allow-other-shape"]
    first = {file.name: file.read_bytes() for file in (run(tmp_path, *argv) / "PEMS08").iterdir()}
    shutil.rmtree(tmp_path / "out")
    second = {file.name: file.read_bytes() for file in (run(tmp_path, *argv) / "PEMS08").iterdir()}
    assert len(first) == 8
    assert first == second


def test_the_same_is_left_alone_and_another_is_only_replaced_by_force(tmp_path, raw, capsys):
    argv = ["PEMS08", "--raw", raw / "PEMS08.npz", "--allow-other-shape"]
    target = run(tmp_path, *argv) / "PEMS08"
    written = target.stat().st_ino
    capsys.readouterr()
    run(tmp_path, *argv)
    assert "already prepared" in capsys.readouterr().out
    assert target.stat().st_ino == written
    assert "--force" in refusal(tmp_path, *argv, "--output-len", "6")
    run(tmp_path, *argv, "--output-len", "6", "--force")
    assert load_meta(tmp_path / "out", "PEMS08").output_len == 6


def test_a_damaged_preparation_is_not_called_already_prepared(tmp_path, raw):
    argv = ["PEMS08", "--raw", raw / "PEMS08.npz", "--allow-other-shape"]
    damaged = run(tmp_path, *argv) / "PEMS08" / "val_data.npy"
    damaged.write_bytes(damaged.read_bytes()[:-4] + b"\0\0\1\0")
    assert "--force" in refusal(tmp_path, *argv)


def test_what_the_command_did_not_write_is_never_replaced(tmp_path, raw):
    (tmp_path / "out" / "PEMS08").mkdir(parents=True)
    (tmp_path / "out" / "PEMS08" / "notes.txt").write_text("mine")
    argv = ["PEMS08", "--raw", raw / "PEMS08.npz", "--allow-other-shape", "--force"]
    assert "notes.txt" in refusal(tmp_path, *argv)
    (tmp_path / "out" / "PEMS08" / "notes.txt").rename(tmp_path / "out" / "PEMS08" / "meta.json")
    assert "never replaced" in refusal(tmp_path, *argv)


def test_no_absolute_path_is_written(tmp_path, raw):
    root = run(tmp_path, "PEMS08", "--raw", raw / "PEMS08.npz", "--graph", raw / "PEMS08.csv", "--allow-other-shape")
    text = (root / "PEMS08" / "meta.json").read_text()
    assert str(raw) not in text and str(tmp_path) not in text and "PEMS08.npz" in text
