"""The networks that change: their splits and graphs, a part of a file, and splits of one's own."""

import numpy as np
import pytest

import prepare
from stlora_ext.data.prepared import load_meta, load_split, prepare_again
from stlora_ext.errors import UserError
from tests.preparation.with_graph import prepared, refusal, text
from tests.support.commands import SHARED
from tests.support.graphs import load_adjacency
from tests.support.raw_files import NAMES

PIECES = SHARED / "data"
real = pytest.mark.skipif(not PIECES.is_dir(), reason=f"the real pieces are not there: {PIECES}")
SETS = {
    "NYC-TAXI": ("NYC-TAXI", 0.45, 0.5, "2019-01-01T00:00:00", 48),
    "NYC-TAXI-2019": ("NYC-TAXI", 0.7, 0.2, "2019-01-01T00:00:00", 48),
    "MELBOURNE-PED": ("MELBOURNE-PED", 0.15, 0.8, "2021-01-01T00:00:00", 24),
    "METR-LA-29-STREAM": ("METR-LA-29", 0.3, 0.66, "2012-03-01T00:00:00", 288),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("datasets")
    for name, (file, *_) in SETS.items():
        prepare.main([name, "--raw", str(PIECES / f"{file}.npz"), "--data", str(folder)])
    return folder


@real
@pytest.mark.parametrize("name", SETS)
def test_splits_and_calendar_are_those_of_the_design(root, name):
    _, train, test, start, steps = SETS[name]
    meta = load_meta(root, name)
    total = meta.num_steps - 23
    assert (meta.windows["train"], meta.windows["test"]) == (round(train * total), round(test * total))
    assert sum(meta.windows.values()) == total
    assert (meta.start, meta.steps_per_day) == (start, steps)
    assert np.isnan(meta.null_val) == (name != "METR-LA-29-STREAM")


@real
def test_readings_arrive_unchanged_and_zero_is_one(root):
    with np.load(PIECES / "NYC-TAXI.npz") as archive:
        data, adjacency, ids = archive["data"], archive["adj"], archive["sensor_ids"].tolist()
    for name, rows in (("NYC-TAXI", 35088), ("NYC-TAXI-2019", 20400)):
        meta = load_meta(root, name)
        test = load_split(root, meta, "test")[0]
        assert meta.num_steps == rows and meta.sensor_ids == ids
        assert np.array_equal(test, data[rows - len(test) : rows].astype(np.float32)) and (test == 0).any()
        assert np.array_equal(load_adjacency(root, meta), adjacency)


@real
def test_the_taxis_of_2019_end_before_march(root):
    meta = load_meta(root, "NYC-TAXI-2019")
    end = np.datetime64(meta.start) + (meta.num_steps - 1) * np.timedelta64(30, "m")
    assert end == np.datetime64("2020-02-29T23:30")


@real
def test_the_pedestrians_graph_has_eight_neighbours_or_more_and_is_symmetric(root):
    adjacency = load_adjacency(root, load_meta(root, "MELBOURNE-PED"))
    assert np.array_equal(adjacency, adjacency.T) and set(np.unique(adjacency)) == {0, 1}
    assert adjacency.sum(axis=1).min() == 8 and not adjacency.diagonal().any()
    with np.load(PIECES / "MELBOURNE-PED.npz") as archive:
        assert np.array_equal(np.load(root / "MELBOURNE-PED" / "positions.npy"), archive["position"])
    assert load_split(root, load_meta(root, "MELBOURNE-PED"), "train")[0].shape[1] == 55


@real
@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("NYC-TAXI", ["--split", "0.5", "0.25", "0.25"]),
        ("NYC-TAXI", ["--train-ratio", "0.5"]),
        ("MELBOURNE-PED", ["--neighbors", "4"]),
        ("MELBOURNE-PED", ["--graph", "g.csv"]),
        ("MELBOURNE-PED", ["--distances", "d.csv"]),
    ],
)
def test_what_a_name_means_is_not_overridden(tmp_path, name, option):
    with pytest.raises(UserError, match="contradicts") as caught:
        prepare.main([name, "--raw", str(PIECES / f"{name}.npz"), *option, "--data", str(tmp_path)])
    assert " ".join(option) in str(caught.value)


def test_a_file_that_is_neither_the_part_nor_the_whole_is_refused(tmp_path):
    np.savez(tmp_path / "raw.npz", data=np.ones((20000, 69), dtype=np.int16))
    with pytest.raises(UserError, match=r"\(20000, 69\).*\(20400, 69\)"):
        prepare.main(["NYC-TAXI-2019", "--raw", str(tmp_path / "raw.npz"), "--data", str(tmp_path)])


@pytest.mark.parametrize("split", [(0.5, 0.25, 0.25), (0.15, 0.05, 0.8), (0.3, 0.04, 0.66), (0.7, 0.1, 0.2)])
def test_a_split_of_ones_own_gives_these_shares_of_the_windows(tmp_path, split):
    meta = load_meta(prepared(tmp_path, NAMES, "--split", *split), "MINE")
    assert meta.windows["train"] == round(split[0] * 97) and meta.windows["test"] == round(split[2] * 97)
    assert sum(meta.windows.values()) == 97


def test_the_usual_split_is_the_same_preparation(tmp_path, capsys):
    prepared(tmp_path, NAMES)
    prepared(tmp_path, NAMES, "--split", 0.7, 0.1, 0.2)
    assert "already prepared" in capsys.readouterr().out


@pytest.mark.parametrize("split", [(0.5, 0.2, 0.2), (0.8, 0, 0.2), (1.2, -0.4, 0.2), ("nan", 0.1, 0.2), (6, 2, 2)])
def test_shares_that_are_no_split_are_refused(tmp_path, split):
    message = refusal(tmp_path, NAMES, "--split", *split)
    assert "--split" in message and "1 in sum" in message


def test_a_split_excludes_a_share_of_training_windows(tmp_path):
    message = refusal(tmp_path, NAMES, "--split", 0.6, 0.2, 0.2, "--train-ratio", 0.6)
    assert "--split 0.6 0.2 0.2" in message and "--train-ratio 0.6" in message


@pytest.mark.parametrize("split", [(0.5, 0.25, 0.25), (0.15, 0.05, 0.8), (0.3, 0.3, 0.4)])
def test_the_command_that_prepares_again_keeps_the_split(tmp_path, monkeypatch, split):
    root = prepared(tmp_path, NAMES, "--split", *split)
    meta = load_meta(root, "MINE")
    words = prepare_again(meta, root, "AGAIN", meta.input_len, meta.output_len).split()
    monkeypatch.chdir(tmp_path)
    prepare.main(words[2:])
    assert load_meta(root, "AGAIN").windows == meta.windows


def test_ids_may_stand_in_one_line(tmp_path):
    np.save(tmp_path / "raw.npy", np.random.default_rng(0).uniform(1, 9, (120, 3)))
    ids = text(tmp_path / "ids.txt", "773869,767541,767542")
    argv = ["MINE", "--raw", tmp_path / "raw.npy", "--ids", ids, "--start", "2024-01-01", "--interval", "5"]
    prepare.main([*map(str, argv), "--data", str(tmp_path / "out")])
    assert load_meta(tmp_path / "out", "MINE").sensor_ids == ["773869", "767541", "767542"]
