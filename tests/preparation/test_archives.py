"""An archive's own times, names and channels are used, every other array is named, and a turned one is refused."""

import numpy as np
import pandas as pd
import pytest

from tests.support.commands import SHARED
from tests.support.preparing import prepared, refusal, whole

TIMES = pd.date_range("2024-03-04 06:00", periods=80, freq="15min").to_numpy().astype("datetime64[m]")
VALUES = np.random.default_rng(0).uniform(1, 9, (80, 3)).astype(np.float32)
WHEN = ("--start", "2024-03-04T06:00", "--interval", "15")
SECONDS = TIMES.astype("datetime64[s]").astype(np.int64)


def npz(folder, **arrays):
    np.savez(folder / "raw.npz", **arrays)
    return folder / "raw.npz"


@pytest.mark.parametrize("key", ["time", "times", "timestamps"])
@pytest.mark.parametrize("times", [TIMES, TIMES.astype(str), TIMES.astype("S16"), SECONDS, SECONDS * 1000])
def test_the_times_of_an_archive_are_the_rows_times(key, times, tmp_path):
    meta = prepared(tmp_path, npz(tmp_path, data=VALUES, **{key: times}))
    assert (meta.start, meta.interval) == ("2024-03-04T06:00:00", 15)


@pytest.mark.parametrize("key", ["sensor_ids", "ids", "names"])
@pytest.mark.parametrize("ids", [np.array(["a", "b", "c"]), np.array([b"a", b"b", b"c"])])
def test_the_names_of_an_archive_are_the_sensors_names(key, ids, tmp_path):
    assert prepared(tmp_path, npz(tmp_path, data=VALUES, **{key: ids}), *WHEN).sensor_ids == ["a", "b", "c"]


def test_a_missing_hour_is_a_gap_when_the_archive_has_times(tmp_path):
    kept = np.r_[0:20, 24:80]
    path = npz(tmp_path, data=VALUES[kept], times=TIMES[kept])
    assert "4 rows missing, the first after 2024-03-04 10:45" in refusal(tmp_path, path)
    meta = prepared(tmp_path, path, "--fill-gaps")
    assert np.array_equal(whole(tmp_path, meta)[0][24:], VALUES[24:])


def test_every_array_is_named_as_used_or_not(tmp_path, capsys):
    path = npz(tmp_path, flow=VALUES, speed=VALUES, time=TIMES, ids=np.array(list("abc")))
    assert "expected an array named 'data'" in refusal(tmp_path, path)
    path = npz(
        tmp_path, data=VALUES, time=TIMES, ids=np.array(list("abc")), position=np.zeros((3, 2)), note=np.array(1)
    )
    prepared(tmp_path, path)
    assert "that are used: data, time, ids, position; not used: note []" in capsys.readouterr().out


def test_the_only_array_of_readings_is_taken_under_any_name(tmp_path):
    path = npz(tmp_path, flow=VALUES, time=TIMES, ids=np.array(list("abc")))
    assert np.array_equal(whole(tmp_path, prepared(tmp_path, path))[0], VALUES)


@pytest.mark.parametrize(("asked", "place"), [("0", 0), ("1", 1), ("speed", 1)])
def test_a_channel_is_chosen_by_number_or_name_and_the_others_are_named(asked, place, tmp_path, capsys):
    path = npz(tmp_path, data=np.stack([VALUES, VALUES * 2], 2), channels=np.array(["flow", "speed"]))
    assert "0 (flow), 1 (speed)" in refusal(tmp_path, path, *WHEN)
    assert "did you mean 'speed'?" in refusal(tmp_path, path, *WHEN, "--channel", "sped")
    meta = prepared(tmp_path, path, *WHEN, "--channel", asked)
    assert np.array_equal(whole(tmp_path, meta)[0], VALUES * (place + 1))
    assert f"not used: {['speed', 'flow'][place]}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arrays",
    [
        {"data": VALUES.T},
        {"data": VALUES.T, "times": TIMES},
        {"data": VALUES.T, "ids": np.array(list("abc"))},
        {"data": np.ones((80, 90)), "ids": np.arange(80).astype(str)},
        {"data": np.ones((80, 70)), "times": TIMES[:70]},
        {"data": np.stack([VALUES.T] * 2, 2)},
    ],
)
def test_rows_that_are_sensors_are_refused_with_the_remedy(arrays, tmp_path):
    options = ("--channel", "0") if arrays["data"].ndim == 3 else ()
    path = npz(tmp_path, **arrays)
    assert "--transpose turns it" in refusal(tmp_path, path, *WHEN, *options)
    when = () if "times" in arrays else WHEN
    meta = prepared(tmp_path, path, *when, *options, "--transpose")
    assert (meta.num_nodes, meta.num_steps) == arrays["data"].shape[:2]


def test_many_sensors_and_few_rows_are_taken_where_the_archive_says_so_or_the_user(tmp_path):
    wide = np.ones((80, 100))
    assert prepared(tmp_path, npz(tmp_path, data=wide, times=TIMES)).num_nodes == 100
    np.save(tmp_path / "raw.npy", wide)
    assert "--no-transpose" in refusal(tmp_path, tmp_path / "raw.npy", *WHEN)
    assert prepared(tmp_path, tmp_path / "raw.npy", *WHEN, "--no-transpose").num_nodes == 100


@pytest.mark.parametrize("numbers", [np.arange(80), np.arange(80.0) * 15, np.zeros((80, 2))])
def test_numbers_that_are_no_times_are_named_as_not_used(numbers, tmp_path, capsys):
    path = npz(tmp_path, data=VALUES, time=numbers)
    assert "--start" in refusal(tmp_path, path)
    prepared(tmp_path, path, *WHEN)
    assert "not used: time" in capsys.readouterr().out


def test_times_that_are_too_few_are_refused(tmp_path):
    assert "79 times in 'time' and 80 rows" in refusal(tmp_path, npz(tmp_path, data=VALUES, time=TIMES[:79]))


def test_times_of_an_archive_are_read_in_a_time_zone(tmp_path):
    meta = prepared(tmp_path, npz(tmp_path, data=VALUES, time=SECONDS), "--timezone", "Europe/Berlin")
    assert meta.start == "2024-03-04T07:00:00+01:00"


@pytest.mark.parametrize(
    ("file", "said", "names"),
    [
        ("NYC-TAXI", "not used: zone_names [69]", ["4", "12"]),
        ("MELBOURNE-PED", "positions of MELBOURNE-PED.npz are kept", ["Bou292_T", "Bou283_T"]),
        ("METR-LA-week", "not used: raw1026 [1026, 207], week_average [207, 2016]", ["773869", "767541"]),
    ],
)
def test_the_public_archives_say_which_arrays_are_used(file, said, names, tmp_path, capsys):
    path = SHARED / "data" / f"{file}.npz"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    assert prepared(tmp_path, path, "--start", "2020-01-01", "--interval", "30").sensor_ids[:2] == names
    assert said in capsys.readouterr().out
