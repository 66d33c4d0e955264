"""Anyone's own data: what is read, what is refused, and that nothing is guessed."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import prepare
from stlora_ext.data.prepared import load_meta, load_split, split_rows, split_windows
from stlora_ext.errors import UserError
from tests.support.graphs import load_adjacency
from tests.support.raw_files import NAMES, STEPS, table, write_csv


def run(tmp_path, *argv, name="MINE"):
    prepare.main([name, "--raw", *map(str, argv), "--data", str(tmp_path / "out")])
    root = tmp_path / "out"
    return root, load_meta(root, name)


def refusal(tmp_path, *argv):
    with pytest.raises(UserError) as caught:
        run(tmp_path, *argv)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "MINE").exists()
    return str(caught.value)


def whole(root, meta):
    """Join the splits of a prepared set to the whole series and its timestamps."""
    overlap = meta.input_len + meta.output_len - 1
    parts = [load_split(root, meta, split) for split in ("train", "val", "test")]
    return tuple(np.concatenate([part[i][overlap if j else 0 :] for j, part in enumerate(parts)]) for i in (0, 1))


@settings(deadline=None)
@given(
    num_steps=st.integers(60, 3000),
    input_len=st.integers(1, 24),
    output_len=st.integers(1, 24),
    ratio=st.floats(0.3, 0.75),
)
def test_splits_cover_every_row_and_no_target_lies_in_two(num_steps, input_len, output_len, ratio):
    try:
        windows = split_windows(num_steps, input_len, output_len, ratio)
    except UserError:
        return
    rows = split_rows(windows, input_len, output_len)
    assert sum(windows.values()) == num_steps - input_len - output_len + 1
    assert (rows["train"].start, rows["test"].stop) == (0, num_steps)
    assert rows["val"].start == windows["train"] and rows["test"].start == windows["train"] + windows["val"]
    for before, after in (("train", "val"), ("val", "test")):
        # the first row a window of a split has to forecast one step after its input is new to that split
        last_first_target = rows[before].stop - output_len
        assert rows[after].start + input_len == last_first_target + 1
    for split, covered in rows.items():
        assert covered.stop - covered.start == windows[split] + input_len + output_len - 1


def test_a_csv_arrives_with_its_names_times_and_readings(tmp_path):
    times, values = table()
    root, meta = run(tmp_path, write_csv(tmp_path / "raw.csv", times, values, cells={(5, "east"): ""}))
    assert (meta.sensor_ids, meta.interval, meta.steps_per_day, meta.start) == (NAMES, 15, 96, "2024-03-04T06:00:00")
    assert np.isnan(meta.null_val) and not meta.has_graph
    stored, stamps = whole(root, meta)
    expected = values.astype(np.float32)
    expected[4, 2] = np.nan
    assert np.array_equal(stored, expected, equal_nan=True)
    assert np.array_equal(stamps[:, 0], ((np.arange(STEPS) + 24) % 96 / 96).astype(np.float32))
    assert np.array_equal(stamps[:, 1], ((np.arange(STEPS) + 24) // 96 / 7).astype(np.float32))
    assert sum(meta.windows.values()) == STEPS - 23 and meta.windows["train"] == round(0.7 * (STEPS - 23))


def test_missing_readings_are_written_as_the_stated_null(tmp_path):
    times, values = table()
    root, meta = run(
        tmp_path, write_csv(tmp_path / "raw.csv", times, values, cells={(5, "east"): "NaN"}), "--null", "0"
    )
    assert meta.null_val == 0 and whole(root, meta)[0][4, 2] == 0


def test_a_gap_is_refused_unless_it_may_be_filled(tmp_path):
    times, values = table()
    kept = np.delete(np.arange(STEPS), [50, 51, 90])
    path = write_csv(tmp_path / "raw.csv", times[kept], values[kept])
    message = refusal(tmp_path, path)
    assert "2 gaps" in message and "3 rows" in message and "--fill-gaps" in message
    root, meta = run(tmp_path, path, "--fill-gaps")
    stored = whole(root, meta)[0]
    assert meta.num_steps == STEPS
    assert np.isnan(stored[[50, 51, 90]]).all() and np.array_equal(stored[kept], values[kept].astype(np.float32))
    root, meta = run(tmp_path, path, "--fill-gaps", "--null", "0", name="ZERO")
    assert (whole(root, meta)[0][[50, 51, 90]] == 0).all()


def test_other_notations_of_time_are_read_only_when_stated(tmp_path):
    times, values = table()
    texts = {(row, "time"): time.item().strftime("%d.%m.%Y %H:%M") for row, time in enumerate(times, start=1)}
    path = write_csv(tmp_path / "raw.csv", times, values, cells=texts)
    assert "--time-format" in refusal(tmp_path, path)
    assert run(tmp_path, path, "--time-format", "%d.%m.%Y %H:%M")[1].start == "2024-03-04T06:00:00"


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_bare_arrays_need_a_start_an_interval_and_a_channel(tmp_path, suffix):
    values = np.random.default_rng(0).uniform(1, 9, (STEPS, 3, 2))
    path = tmp_path / f"raw.{suffix}"
    np.save(path, values) if suffix == "npy" else np.savez(path, data=values)
    assert "--channel" in refusal(tmp_path, path)
    assert "--start" in refusal(tmp_path, path, "--channel", "1")
    assert "0..1" in refusal(tmp_path, path, "--channel", "2")
    root, meta = run(tmp_path, path, "--channel", "1", "--start", "2024-03-04", "--interval", "10")
    assert np.array_equal(whole(root, meta)[0], values[:, :, 1].astype(np.float32))
    assert (meta.steps_per_day, meta.sensor_ids) == (144, ["0", "1", "2"])


@pytest.mark.parametrize("name", ["preparation", "../up", ".hidden", "a/b", "TINY"])
def test_a_name_that_is_taken_or_no_folder_is_refused(tmp_path, name):
    times, values = table()
    with pytest.raises(UserError, match=name):
        run(tmp_path, write_csv(tmp_path / "raw.csv", times, values), name=name)


@pytest.mark.parametrize(("header", "ends"), [("from,to,weight", ("north", "east", "south")), ("from,to", "021")])
def test_edges_name_sensors_or_columns(tmp_path, header, ends):
    times, values = table()
    weight = ",0.5" if "weight" in header else ""
    rows = [f"{ends[0]},{ends[1]}{weight}", f"{ends[2]},{ends[0]}{weight}"]
    (tmp_path / "edges.csv").write_text("\n".join([header, *rows]))
    root, meta = run(tmp_path, write_csv(tmp_path / "raw.csv", times, values), "--graph", tmp_path / "edges.csv")
    expected = np.zeros((3, 3), dtype=np.float32)
    expected[0, 2] = expected[1, 0] = 0.5 if weight else 1
    assert np.array_equal(load_adjacency(root, meta), expected)


@pytest.mark.parametrize("kind", ["csv", "npy", "npz", "pkl", "prepared"])
def test_a_matrix_is_read_from_every_kind_of_file(tmp_path, kind):
    times, values = table()
    matrix = np.array([[0, 0.5, 0], [0, 1, 0], [0.25, 0, 0]])
    path = tmp_path / ("graph.npz" if kind == "prepared" else f"graph.{kind}")
    source, target = np.nonzero(matrix)
    edges = {"num_nodes": 3, "source": source, "target": target, "weight": matrix[source, target]}
    {
        "csv": lambda: np.savetxt(path, matrix, delimiter=","),
        "npy": lambda: np.save(path, matrix),
        "npz": lambda: np.savez(path, some=matrix, MINE=matrix),
        "pkl": lambda: path.write_bytes(pickle.dumps(matrix)),
        "prepared": lambda: np.savez(path, **edges),
    }[kind]()
    root, meta = run(tmp_path, write_csv(tmp_path / "raw.csv", times, values), "--graph", path)
    assert np.array_equal(load_adjacency(root, meta), matrix.astype(np.float32))


def basicts_features(times, values):
    """Return BasicTS 0.5.8's channels: value, time of day, day of week."""
    minutes = times.astype("datetime64[m]").astype(np.int64)
    shares = np.stack([minutes % 1440 / 1440, (minutes // 1440 + 3) % 7 / 7], axis=1)
    return np.concatenate([values[:, :, None], np.broadcast_to(shares[:, None], (len(values), 3, 2))], -1)


def test_a_basicts_058_folder_keeps_readings_weekday_null_and_graph(tmp_path, capsys):
    times, values = table(start="2024-03-08T06:00")
    folder = tmp_path / "OLD"
    folder.mkdir()
    basicts_features(times, values).astype(np.float32).tofile(folder / "data.dat")
    (folder / "desc.json").write_text(
        json.dumps(
            {
                "shape": [STEPS, 3, 3],
                "frequency (minutes)": 15,
                "regular_settings": {"NULL_VAL": 0.0},
                "feature_description": ["traffic flow", "time of day", "day of week"],
            }
        )
    )
    (folder / "adj_mx.pkl").write_bytes(pickle.dumps([NAMES, {}, np.eye(3, dtype=np.float32)], protocol=2))
    root, meta = run(tmp_path, folder)
    assert "a nominal date" in capsys.readouterr().out
    stored, stamps = whole(root, meta)
    assert np.array_equal(stored, values.astype(np.float32))
    assert stamps[0].tolist() == [0.25, np.float32(4 / 7)] and (meta.null_val, meta.sensor_ids) == (0, NAMES)
    assert np.array_equal(load_adjacency(root, meta), np.eye(3))
    assert run(tmp_path, folder, "--start", "2024-03-08T06:00", name="DATED")[1].start == "2024-03-08T06:00:00"
    assert run(tmp_path, folder, "--start", "2024-03-09T06:00", name="STATED")[1].start == "2024-03-09T06:00:00"
    assert "Friday 06:00" in capsys.readouterr().out


def test_a_stock_basicts_110_folder_is_joined_from_disjoint_splits(tmp_path):
    times, values = table()
    features = basicts_features(times, values).astype(np.float32)
    folder = tmp_path / "STOCK"
    folder.mkdir()
    for split, rows in (("train", slice(0, 72)), ("val", slice(72, 96)), ("test", slice(96, STEPS))):
        np.save(folder / f"{split}_data.npy", features[rows, :, 0])
        np.save(folder / f"{split}_timestamps.npy", features[rows, 0, 1:])
    (folder / "meta.json").write_text(
        json.dumps(
            {
                "frequency (minutes)": 15,
                "timestamps_description": ["time of day", "day of week"],
                "regular_settings": {"null_val": None},
            }
        )
    )
    root, meta = run(tmp_path, folder)
    stored, stamps = whole(root, meta)
    assert np.array_equal(stored, values.astype(np.float32)) and np.array_equal(stamps, features[:, 0, 1:])


def test_a_folder_of_ours_is_joined_from_overlapping_splits(tmp_path):
    times, values = table()
    (tmp_path / "edges.csv").write_text("from,to,cost\nnorth,east,12\n")
    root, first = run(tmp_path, write_csv(tmp_path / "raw.csv", times, values), "--graph", tmp_path / "edges.csv")
    root, meta = run(tmp_path, root / "MINE", "--input-len", "6", name="AGAIN")
    assert (meta.start, meta.sensor_ids, meta.num_steps) == (first.start, NAMES, STEPS)
    assert np.array_equal(whole(root, meta)[0], values.astype(np.float32))
    assert (root / "AGAIN" / "graph.npz").read_bytes() == (root / "MINE" / "graph.npz").read_bytes()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("meta.json", "{"),
        ("meta.json", "[]"),
        ("meta.json", '{"frequency (minutes)": "often"}'),
        ("meta.json", "{}"),
        ("meta.json", '{"stlora": {}}'),
        ("desc.json", '{"shape": [2, 2, 1], "frequency (minutes)": 5}'),
        ("desc.json", '{"shape": null}'),
        ("other.json", "{}"),
    ],
)
def test_a_damaged_folder_is_refused_by_name(tmp_path, file, text):
    folder = tmp_path / "BROKEN"
    folder.mkdir()
    (folder / file).write_text(text)
    (folder / "data.dat").write_bytes(b"123")
    assert "BROKEN" in refusal(tmp_path, folder) or "train_data.npy" in refusal(tmp_path, folder)


def test_a_folder_of_ours_with_a_null_value_beyond_float32_is_damaged(tmp_path):
    times, values = table()
    root, _ = run(tmp_path, write_csv(tmp_path / "raw.csv", times, values, cells={(5, "east"): ""}))
    source = (root / "MINE").rename(tmp_path / "MINE")
    meta = json.loads((source / "meta.json").read_text())
    meta["regular_settings"]["null_val"] = 1e39
    (source / "meta.json").write_text(json.dumps(meta))
    message = refusal(tmp_path, source)
    assert "is damaged" in message and "null_val is 1e+39" in message


def test_an_original_is_never_overwritten_by_its_own_preparation(tmp_path):
    folder = tmp_path / "out" / "STOCK"
    folder.mkdir(parents=True)
    for split in ("train", "val", "test"):
        np.save(folder / f"{split}_data.npy", np.ones((60, 3), dtype=np.float32))
    (folder / "meta.json").write_text(json.dumps({"frequency (minutes)": 15}))
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(UserError, match="never replaced"):
        run(tmp_path, folder, "--start", "2024-01-01", "--force", name="STOCK")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
