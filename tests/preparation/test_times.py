"""Times as files write them: zones, both days of the clock change, seconds since 1970, and steps of any length."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import prepare
from stlora_ext.data.local_time import row_axis
from stlora_ext.data.prepared import load_meta
from stlora_ext.horizons import step_title
from tests.support.preparing import clock, csv, prepared, refusal, whole
from tests.support.profile import steady

BERLIN = ("--timezone", "Europe/Berlin")
SHORT = ("--input-len", "4", "--output-len", "2")
CHANGES = {"spring": ("2024-03-30", "2024-04-02", 23), "autumn": ("2024-10-26", "2024-10-29", 25)}


def hours(season, frequency="h"):
    """Three days around a clock change in Berlin, the change on the second."""
    first, end, _ = CHANGES[season]
    times = pd.date_range(first, end, freq=frequency, tz="Europe/Berlin", inclusive="left")
    return pd.DataFrame({"a": np.arange(len(times)), "b": 1.5}, times.rename("time"))


@pytest.mark.parametrize("season", CHANGES)
@pytest.mark.parametrize("frequency", ["h", "15min"])
@pytest.mark.parametrize("written", ["offsets", "UTC", "local", "seconds"])
def test_a_day_of_23_and_one_of_25_hours_have_every_row_at_its_local_time_of_day(
    season, frequency, written, tmp_path, capsys
):
    table = hours(season, frequency)
    local = table.index.tz_localize(None)
    index = {
        "offsets": table.index,
        "UTC": table.index.tz_convert("UTC"),
        "local": local,
        "seconds": table.index.tz_convert("UTC").tz_localize(None).astype("datetime64[s]").astype("int64"),
    }[written]
    meta = prepared(tmp_path, csv(tmp_path, table.set_axis(index.rename("time"))), *BERLIN, *SHORT)
    values, stamps = whole(tmp_path, meta)
    assert (meta.timezone, meta.start) == ("Europe/Berlin", table.index[0].isoformat())
    assert np.array_equal(values[:, 0], np.arange(len(table)))  # no row is lost, none is put in
    second = [step for day, step in clock(stamps, meta.steps_per_day) if day == 6]
    assert len(second) == CHANGES[season][2] * meta.steps_per_day // 24
    per_hour = meta.steps_per_day // 24
    assert clock(stamps, meta.steps_per_day) == [
        (time.weekday(), time.hour * per_hour + time.minute * per_hour // 60) for time in local
    ]
    assert list(row_axis(meta, range(len(table))).tz_localize(None)) == list(local)
    assert "rows follow absolute time" in capsys.readouterr().out


def test_offsets_are_refused_without_a_time_zone(tmp_path):
    message = refusal(tmp_path, csv(tmp_path, hours("spring")), *SHORT)
    assert "row 1: the time '2024-03-30 00:00:00+01:00' has an offset" in message and "--timezone" in message


@pytest.mark.parametrize(("season", "said"), [("spring", "it is the hour that clocks skip"), ("autumn", "shows twice")])
def test_an_hour_of_the_clock_change_is_refused_with_the_remedy(season, said, tmp_path):
    message = refusal(tmp_path, csv(tmp_path, hours(season).tz_localize(None)), *SHORT)
    assert "--timezone NAME" in message and said in message


def everyday(season):
    """The three days with 24 rows each, as a program writes them that knows no clock change."""
    table = hours(season).tz_localize(None)
    first, end, _ = CHANGES[season]
    full = pd.date_range(first, end, freq="h", inclusive="left", name="time")
    return table[~table.index.duplicated()].reindex(full)


def test_empty_rows_of_the_hour_that_a_clock_skips_are_left_out_and_full_ones_refused(tmp_path, capsys):
    meta = prepared(tmp_path, csv(tmp_path, everyday("spring")), *BERLIN, *SHORT)
    assert meta.num_steps == 71 and "1 empty rows lie in an hour" in capsys.readouterr().out
    message = refusal(tmp_path, csv(tmp_path, everyday("spring").fillna(3)), *BERLIN, *SHORT)
    assert "row 27: this is a time that Europe/Berlin never had" in message


def test_an_hour_that_a_clock_shows_twice_and_the_table_has_once_is_a_gap(tmp_path):
    path = csv(tmp_path, everyday("autumn"))
    assert "the first after 2024-10-27 02:00+02:00 (next row 2024-10-27 03:00+01:00)" in refusal(
        tmp_path, path, *BERLIN, *SHORT
    )
    meta = prepared(tmp_path, path, *BERLIN, *SHORT, "--fill-gaps")
    assert meta.num_steps == 73 and np.isnan(whole(tmp_path, meta)[0][27]).all()


def test_a_table_that_begins_in_the_second_of_the_two_hours_is_read_so(tmp_path):
    table = hours("autumn", "15min")
    begin = table.index.get_loc(pd.Timestamp("2024-10-27T02:15+01:00"))
    meta = prepared(tmp_path, csv(tmp_path, table.iloc[begin:].tz_localize(None)), *BERLIN, *SHORT)
    assert meta.start == "2024-10-27T02:15:00+01:00"


@pytest.mark.parametrize("season", CHANGES)
def test_a_row_per_reading_keeps_both_of_the_two_hours(season, tmp_path):
    table = hours(season).tz_localize(None)
    for long in (
        table.stack().rename_axis(["time", "sensor"]).rename("value").reset_index(),
        table.reset_index().melt("time", var_name="sensor"),
    ):
        meta = prepared(tmp_path, csv(tmp_path, long, index=False), *BERLIN, *SHORT)
        assert np.array_equal(whole(tmp_path, meta)[0][:, 0], np.arange(len(table)))


@pytest.mark.parametrize("season", CHANGES)
@pytest.mark.parametrize(("frequency", "count"), [("D", 3), ("6h", 12)])
def test_days_and_blocks_of_local_hours_follow_the_clock(season, frequency, count, tmp_path):
    first, _, _ = CHANGES[season]
    local = pd.date_range(first, periods=count * 12, freq=frequency, name="time")
    table = pd.DataFrame({"a": range(len(local))}, local.tz_localize("Europe/Berlin"))
    meta = prepared(tmp_path, csv(tmp_path, table), *BERLIN, *SHORT)
    assert (meta.start, meta.timezone, meta.num_steps) == (f"{first}T00:00:00", "Europe/Berlin", len(local))
    assert list(row_axis(meta, range(len(local))).tz_localize(None)) == list(local)


def test_rows_without_times_follow_absolute_time_from_a_local_start(tmp_path):
    np.save(tmp_path / "raw.npy", np.arange(144.0).reshape(72, 2))
    when = ("--start", "2024-03-31T00:00", "--interval", "1h", *BERLIN, *SHORT)
    meta = prepared(tmp_path, tmp_path / "raw.npy", *when)
    assert [time.hour for time in row_axis(meta, range(4))] == [0, 1, 3, 4]
    assert clock(whole(tmp_path, meta)[1], 24)[:4] == [(6, 0), (6, 1), (6, 3), (6, 4)]


def test_a_set_with_a_time_zone_is_prepared_again_from_its_own_folder(tmp_path):
    meta = prepared(tmp_path, csv(tmp_path, hours("autumn")), *BERLIN, *SHORT)
    again = prepared(tmp_path, tmp_path / "out" / "MINE", "--input-len", "3", "--output-len", "3", name="AGAIN")
    assert (again.start, again.timezone, again.num_steps) == (meta.start, meta.timezone, meta.num_steps)
    assert all(np.array_equal(*pair) for pair in zip(whole(tmp_path, again), whole(tmp_path, meta), strict=True))


TIMES = pd.date_range("2024-03-04 06:00", periods=60, freq="15min")


@pytest.mark.parametrize(("unit", "word"), [("s", "seconds"), ("ms", "milliseconds"), ("us", "microseconds")])
@pytest.mark.parametrize("name", ["timestamp", "t"])
def test_counts_since_1970_are_recognised_and_said(unit, word, name, tmp_path, capsys):
    index = TIMES.astype(f"datetime64[{unit}]").astype("int64")
    meta = prepared(tmp_path, csv(tmp_path, pd.DataFrame({"a": range(60), "b": 2}, index.rename(name))))
    assert (meta.start, meta.interval, meta.sensor_ids) == ("2024-03-04T06:00:00", 15, ["a", "b"])
    assert f"times are {word} since 1970, read in UTC" in capsys.readouterr().out


def test_fractions_of_a_second_since_1970_are_kept(tmp_path):
    times = 1709532000.5 + np.arange(60) * 10
    meta = prepared(tmp_path, csv(tmp_path, pd.DataFrame({"a": range(60)}, pd.Index(times, name="timestamp"))))
    assert (meta.start, meta.interval_seconds) == ("2024-03-04T06:00:00", 10)


def test_numbers_that_a_format_does_not_read_are_refused(tmp_path):
    path = csv(tmp_path, pd.DataFrame({"a": range(60)}, pd.Index(np.arange(60) + 0.5, name="time")))
    assert "row 1: '0.5' is no time" in refusal(tmp_path, path, "--time-format", "%Y%m%d")


@pytest.mark.parametrize("written", ["%Y%m%d%H%M", "%Y%m%d%H", "%m/%d/%Y %I:%M %p"])
def test_other_notations_are_read_when_stated_and_never_taken_for_counts(written, tmp_path):
    times = pd.date_range("2024-03-04 06:00", periods=60, freq="h")
    path = csv(tmp_path, pd.DataFrame({"a": range(60)}, times.strftime(written).rename("time")))
    assert "--time-format" in refusal(tmp_path, path)
    meta = prepared(tmp_path, path, "--time-format", written)
    assert (meta.start, meta.interval) == ("2024-03-04T06:00:00", 60)


@pytest.mark.parametrize(
    ("frequency", "seconds", "minutes", "per_day", "said"),
    [
        ("1s", 1, 1 / 60, 86400, "1 second, 86400 steps a day"),
        ("10s", 10, 1 / 6, 8640, "10 seconds, 8640 steps a day"),
        ("90s", 90, 1.5, 960, "90 seconds, 960 steps a day"),
        ("2min", 120, 2, 720, "2 minutes, 720 steps a day"),
        ("8h", 28800, 480, 3, "8 hours, 3 steps a day"),
        ("D", 86400, 1440, 1, "1 day"),
        ("7D", 604800, 10080, 1, "7 days"),
    ],
)
def test_steps_from_a_second_to_weeks_are_prepared_and_come_back(
    frequency, seconds, minutes, per_day, said, tmp_path, capsys
):
    times = pd.date_range("2024-01-01 08:00", periods=60, freq=frequency, name="time")
    meta = prepared(tmp_path, csv(tmp_path, pd.DataFrame({"a": range(60)}, times)))
    assert (meta.interval_seconds, meta.steps_per_day) == (seconds, per_day) and meta.interval == pytest.approx(minutes)
    assert said in capsys.readouterr().out
    written = json.loads((tmp_path / "out" / "MINE" / "meta.json").read_text())
    assert ("interval_seconds" in written["stlora"]) == (seconds % 60 != 0)
    stamps = whole(tmp_path, meta)[1]
    expected = 0 if seconds >= 86400 else ((8 * 3600 + np.arange(60) * seconds) % 86400 / 86400)
    np.testing.assert_allclose(stamps[:, 0], expected, atol=1e-7)
    assert prepared(tmp_path, tmp_path / "out" / "MINE", name="AGAIN").start == meta.start


@pytest.mark.parametrize("frequency", ["7s", "700ms", "7min", "25h", "1001ms"])
def test_steps_that_fit_no_day_are_refused(frequency, tmp_path):
    times = pd.date_range("2024-01-01", periods=60, freq=frequency, name="time")
    assert "resample the data" in refusal(tmp_path, csv(tmp_path, pd.DataFrame({"a": range(60)}, times)))


@pytest.mark.parametrize("text", ["0", "15 m", "1.5h", "-5", "month"])
def test_an_interval_that_is_none_is_refused_with_what_is_one(text, tmp_path):
    np.save(tmp_path / "raw.npy", np.ones((60, 2)))
    options = ("--start", "2024-01-01", f"--interval={text}")
    assert "30s, 15min, 1h, 1d" in refusal(tmp_path, tmp_path / "raw.npy", *options)


SIZES = {"s": 1, "min": 60, "h": 3600, "d": 86400}


@steady
@given(st.integers(1, 400), st.sampled_from([1, 2, 10, 15, 30, 90, 150, 3600, 86400, 604800]))
def test_a_title_tells_the_exact_time_from_seconds_to_days(step, seconds):
    words = step_title(step, seconds / 60).split()
    assert sum(int(count) * SIZES[unit] for count, unit in zip(words[::2], words[1::2], strict=True)) == step * seconds


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"interval_seconds": 7}, "no day"),
        ({"interval_seconds": 0.5}, "frequency"),
        ({"timezone": "Mars/Olympus"}, "timezone is 'Mars/Olympus'"),
        ({"timezone": None}, "has an offset and the set no time zone"),
        ({"timezone": 3}, "timezone is 3"),
    ],
)
def test_a_description_whose_times_were_damaged_is_refused(change, problem, tmp_path):
    prepared(tmp_path, csv(tmp_path, hours("spring")), *BERLIN, *SHORT)
    path = tmp_path / "out" / "MINE" / "meta.json"
    content = json.loads(path.read_text())
    content["stlora"] |= change
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=problem):
        load_meta(tmp_path / "out", "MINE")


def test_a_known_set_has_its_own_clock(tmp_path, capsys):
    with pytest.raises(ValueError, match="--timezone UTC contradicts PEMS08"):
        prepare.main(["PEMS08", "--raw", str(tmp_path), "--timezone", "UTC"])
