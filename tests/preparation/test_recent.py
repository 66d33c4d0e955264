"""What a forecast sees of a file is what the prepared set holds for these rows: readings, time of day, day of week."""

import numpy as np
import pandas as pd
import pytest

from stlora_ext.errors import UserError
from stlora_ext.preparation.options import ReadingOptions
from stlora_ext.preparation.recent import read_recent, stamps
from tests.support.preparing import prepared, whole

SHORT = ("--input-len", "5", "--output-len", "3")


def frame(first, count, frequency, zone=None):
    times = pd.date_range(first, periods=count, freq=frequency, tz=zone, name="time")
    values = np.random.default_rng(0).uniform(1, 9, (count, 3)).round(3).astype(np.float32)
    return pd.DataFrame(values, times, ["007", "8", "north"])


def long(table):
    return table.rename_axis(columns="sensor").stack().rename("value").reset_index()


SETS = {
    "spring": (frame("2024-03-30T12:00", 60, "h", "Europe/Berlin"), "Europe/Berlin"),
    "autumn": (frame("2024-10-26T12:00", 60, "h", "Europe/Berlin"), "Europe/Berlin"),
    "autumn, quarters": (frame("2024-10-26T20:00", 80, "15min", "Europe/Berlin"), "Europe/Berlin"),
    "autumn, New York": (frame("2024-11-02T12:00", 60, "h", "America/New_York"), "America/New_York"),
    "days": (frame("2024-03-01", 60, "D", "Europe/Berlin"), "Europe/Berlin"),
    "seconds": (frame("2024-03-01T23:59", 60, "10s"), None),
    "weeks": (frame("2024-01-03T08:00", 60, "7D"), None),
    "quarters": (frame("2024-03-01T20:00", 60, "15min"), None),
}


@pytest.fixture(scope="module", params=SETS)
def ready(request, tmp_path_factory):
    """A prepared set, the table that it is made of, and all that it holds."""
    folder = tmp_path_factory.mktemp("recent")
    table, zone = SETS[request.param]
    table.to_csv(folder / "raw.csv")
    meta = prepared(folder, folder / "raw.csv", *SHORT, *(() if zone is None else ("--timezone", zone)))
    return meta, table, whole(folder, meta)


@pytest.mark.parametrize("shape", ["wide", "long", "reversed", "UTC"])
def test_every_window_is_read_as_the_prepared_set_holds_it(shape, ready, tmp_path):
    meta, table, (values, times) = ready
    for end in range(meta.input_len, len(table) - meta.output_len + 1):
        part = table.iloc[max(0, end - 9) : end]
        given = {
            "wide": lambda part: part,
            "long": long,
            "reversed": lambda part: part[part.columns[::-1]],
            "UTC": lambda part: part.tz_convert("UTC") if part.index.tz is not None else part,
        }[shape](part)
        given.to_csv(tmp_path / "recent.csv", index=shape != "long")
        read, axis = read_recent(tmp_path / "recent.csv", meta)
        rows = slice(end - meta.input_len, end + meta.output_len)
        assert np.array_equal(read, values[rows][: meta.input_len])
        assert np.array_equal(stamps(axis, meta), times[rows])
        shown = table.index[rows]
        assert list(axis.tz_localize(None)) == list(shown.tz_localize(None))


@pytest.mark.parametrize("name", ["spring", "autumn"])
def test_local_times_without_offsets_are_read_in_the_sets_time_zone(name, tmp_path):
    table, zone = SETS[name]
    table.to_csv(tmp_path / "raw.csv")
    meta = prepared(tmp_path, tmp_path / "raw.csv", *SHORT, "--timezone", zone)
    _, times = whole(tmp_path, meta)
    for end in range(9, len(table) - meta.output_len + 1):
        table.iloc[end - 9 : end].tz_localize(None).to_csv(tmp_path / "recent.csv")
        _, axis = read_recent(tmp_path / "recent.csv", meta)
        assert np.array_equal(stamps(axis, meta), times[end - meta.input_len : end + meta.output_len])


def test_offsets_are_refused_where_the_set_has_no_time_zone(tmp_path):
    table, _ = SETS["quarters"]
    table.to_csv(tmp_path / "raw.csv")
    meta = prepared(tmp_path, tmp_path / "raw.csv", *SHORT)
    table.tz_localize("UTC").to_csv(tmp_path / "recent.csv")
    with pytest.raises(UserError, match="has an offset from UTC: expected local times without it") as caught:
        read_recent(tmp_path / "recent.csv", meta)
    assert "MINE, which was prepared without --timezone" in str(caught.value)  # predict.py has no --timezone


def test_an_array_is_read_from_a_stated_start_in_the_order_of_numbered_sensors(tmp_path):
    np.save(tmp_path / "raw.npy", np.arange(180.0).reshape(60, 3))
    meta = prepared(tmp_path, tmp_path / "raw.npy", *SHORT, "--start", "2024-03-31T00:00", "--interval", "1h",
                    "--timezone", "Europe/Berlin")  # fmt: skip
    np.save(tmp_path / "recent.npy", np.arange(18.0).reshape(6, 3))
    with pytest.raises(UserError, match="--start gives that of the first row"):
        read_recent(tmp_path / "recent.npy", meta)
    start = np.datetime64("2024-03-31T00:00")
    _, axis = read_recent(tmp_path / "recent.npy", meta, ReadingOptions(start=start))
    assert [time.hour for time in axis] == [1, 3, 4, 5, 6, 7, 8, 9]


def test_a_start_that_contradicts_the_files_own_times_is_refused(tmp_path):
    table, _ = SETS["quarters"]
    table.to_csv(tmp_path / "raw.csv")
    meta = prepared(tmp_path, tmp_path / "raw.csv", *SHORT)
    with pytest.raises(UserError, match="leave --start out"):
        read_recent(tmp_path / "raw.csv", meta, ReadingOptions(start=np.datetime64("2024-01-01")))
