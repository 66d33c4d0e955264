"""A trained model in use where its data set has a time zone, or steps of a day."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import prepare
import stlora_ext
from experiments import evaluate, predict
from experiments import run as run_command
from tests.support.commands import refusal

ZONE = "Europe/Berlin"


def prepared(folder: Path, times: pd.DatetimeIndex, *more: str) -> Path:
    """A finished run of HA-week on readings at these times; returns its record."""
    hour = times.hour.to_numpy() + 24 * times.day_of_week.to_numpy()
    values = 100 + hour[:, None] + np.arange(3.0) + np.random.default_rng(0).normal(0, 1, (len(times), 3))
    pd.DataFrame(values.round(2), times.rename("time"), ["a", "b", "c"]).to_csv(folder / "mine.csv")
    prepare.main(["MINE", "--raw", str(folder / "mine.csv"), "--data", str(folder / "data"), *more])
    places = ["--data", str(folder / "data"), "--results", str(folder / "results")]
    run_command.main(["--dataset", "MINE", "--model", "HA-week", *places, "--save-results", "--format", "csv"])
    (record,) = (folder / "results").rglob("*all-seeds.json")
    return record


@pytest.fixture(scope="module")
def berlin(tmp_path_factory):
    """Hours of Berlin over the end of summer time, with their offsets."""
    folder = tmp_path_factory.mktemp("berlin")
    times = pd.date_range("2024-10-07", periods=28 * 24, freq="h", tz=ZONE)
    return folder, prepared(folder, times, "--timezone", ZONE)


def forecast(folder, record, *more):
    predict.main(
        [
            str(record),
            *("--data", str(folder / "data"), "--input", str(folder / "mine.csv")),
            *("--output", str(folder / "f.csv"), *more),
        ]
    )
    return pd.read_csv(folder / "f.csv")


def local(cells: pd.Series) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(pd.to_datetime(cells, utc=True)).tz_convert(ZONE)


@pytest.mark.parametrize("at", ["2024-10-27T01:00", "2024-10-27T01:00+02:00", "2024-10-26T23:00Z"])
def test_a_time_is_the_zones_with_or_without_its_offset(at, berlin):
    table = forecast(*berlin, "--at", at)
    assert list(table["time"][:3]) == [
        f"2024-10-27 {hour}" for hour in ("02:00:00+02:00", "02:00:00+01:00", "03:00:00+01:00")
    ]


def test_the_hour_that_is_there_twice_has_one_time_of_day_and_two_rows(berlin):
    table = forecast(*berlin, "--at", "2024-10-27T01:00")
    assert table.iloc[0, 1:].tolist() == table.iloc[1, 1:].tolist() != table.iloc[2, 1:].tolist()


def test_a_roll_matches_forecasts_and_readings_by_their_offsets(berlin):
    folder, record = berlin
    rolled = forecast(folder, record, "--all")
    raw = pd.read_csv(folder / "mine.csv")
    readings = raw.set_axis(local(raw["time"])).drop(columns="time").stack(future_stack=True)
    keys = pd.MultiIndex.from_arrays([local(rolled["time_forecast"]), rolled["sensor"]])
    np.testing.assert_allclose(rolled["reading"], readings.reindex(keys), rtol=1e-6)
    saved = pd.read_csv(record.with_suffix("") / "test_results" / "forecasts.csv")
    both = rolled.merge(saved, on=["time_made", "time_forecast", "sensor"])
    assert len(both) == len(saved)
    np.testing.assert_allclose(both["forecast_x"], both["forecast_y"], rtol=1e-5)
    np.testing.assert_array_equal(both["reading_x"], both["reading_y"])


def test_tables_with_and_without_a_zone_give_the_same_forecast(berlin):
    folder, record = berlin
    run = stlora_ext.load_run(record, data=folder / "data")
    raw = pd.read_csv(folder / "mine.csv")
    aware = raw.set_axis(local(raw["time"])).drop(columns="time")
    expected = run.forecast(aware)
    assert str(expected.index.tz) == ZONE
    for table in (aware.tz_convert("UTC"), aware.tz_convert("Asia/Tokyo"), aware.tz_localize(None)):
        pd.testing.assert_frame_equal(run.forecast(table), expected)


def test_days_are_forecast_and_measured(tmp_path, capsys):
    times = pd.date_range("2023-01-02", periods=300, freq="D")
    record = prepared(tmp_path, times)
    assert json.loads(record.read_text())["data"]["interval"] == 1440
    table = forecast(tmp_path, record, "--at", "2023-06-05").set_index("time")
    rolled = forecast(tmp_path, record, "--all")
    same = rolled[rolled["time_made"] == "2023-06-05"].pivot(index="time_forecast", columns="sensor", values="forecast")
    np.testing.assert_allclose(same.to_numpy(), table.to_numpy(), rtol=1e-5)
    assert list(table.index[:2]) == ["2023-06-06", "2023-06-07"]
    week = table.to_numpy()
    np.testing.assert_allclose(week[:5], week[7:12], rtol=1e-6)
    assert np.abs(np.diff(week[:7, 0])).min() > 15  # each day of the week has a mean of its own, 24 apart
    capsys.readouterr()
    places = ["--data", str(tmp_path / "data"), "--input", str(tmp_path / "mine.csv")]
    evaluate.main([str(record), *places])
    assert "evaluated on 277 windows" in capsys.readouterr().out
    line = refusal(predict.main, [record, *places, "--output", tmp_path / "x.csv", "--at", "2023-06-05T08:00"], capsys)
    assert "such as 2023-06-05 00:00" in line
