"""A trained model on the data that its user gets: from a given time, over a whole file, measured, and in Python."""

import re

import numpy as np
import pandas as pd
import pytest
import torch

import stlora_ext
from experiments import evaluate, predict
from stlora_ext.data.prepared import load_split, missing
from stlora_ext.errors import UserError
from tests.support.commands import refusal
from tests.support.reopened import WINDOW, data, finished, quick_meta, recent, results, runner_forecast
from tests.support.small import OURS


def split_readings() -> pd.DataFrame:
    """The test split as a user has it."""
    meta = quick_meta()
    values, _ = load_split(data(), meta, "test")
    first = meta.windows["train"] + meta.windows["val"]
    times = pd.Timestamp(meta.start) + pd.to_timedelta((first + np.arange(len(values))) * meta.interval, unit="min")
    return pd.DataFrame(values, pd.Index(times, name="when"), meta.sensor_ids)


@pytest.fixture
def whole(tmp_path):
    """The file of those readings, its sensors in another order."""
    table = split_readings()
    table[table.columns[::-1]].to_csv(tmp_path / "whole.csv")
    return tmp_path / "whole.csv"


def predicted(path, source, output, *more):
    predict.main([str(path), "--data", str(data()), "--input", str(source), "--output", str(output), *map(str, more)])
    return pd.read_csv(output, parse_dates=["time_made", "time_forecast"], dtype={"sensor": str})


def saved(record) -> np.ndarray:
    """The test set's forecasts as the run itself kept them ``[windows, output_len, N]``."""
    return np.load(record.with_suffix("") / "test_results" / "prediction.npy")


@pytest.mark.parametrize("name", [model for name in OURS for model in (name, f"{name}+")])
def test_rolling_over_the_test_rows_gives_the_test_sets_forecasts(name, whole, tmp_path):
    record, meta = finished(name), quick_meta()
    table = predicted(record, whole, tmp_path / "rolled.csv", "--all")
    expected, readings = saved(record), split_readings()
    windows = len(readings) - meta.input_len + 1
    assert list(table.columns) == ["time_made", "time_forecast", "sensor", "forecast", "reading"]
    assert len(table) == windows * meta.output_len * meta.num_nodes
    forecasts = table["forecast"].to_numpy().reshape(windows, meta.output_len, meta.num_nodes)
    np.testing.assert_allclose(forecasts[: len(expected)], expected, rtol=1e-4)
    made = table["time_made"].to_numpy().reshape(forecasts.shape)
    assert (made[:, 0, 0] == readings.index[meta.input_len - 1 :].to_numpy()).all()
    ahead = table["time_forecast"].to_numpy().reshape(forecasts.shape) - made
    assert (ahead == (np.arange(1, 13) * np.timedelta64(meta.interval, "m"))[None, :, None]).all()
    assert (table["sensor"].to_numpy().reshape(forecasts.shape) == np.array(meta.sensor_ids)).all()


def test_the_reading_of_a_rolled_row_is_that_of_the_time_forecast_and_empty_where_there_is_none(whole, tmp_path):
    table = predicted(finished("HA"), whole, tmp_path / "rolled.csv", "--all")
    readings = split_readings()
    readings = readings.mask(missing(readings, 0.0)).stack(future_stack=True)
    expected = readings.reindex(pd.MultiIndex.from_frame(table[["time_forecast", "sensor"]])).to_numpy()
    assert np.isnan(expected).any()
    np.testing.assert_array_equal(table["reading"].to_numpy().astype(np.float32), expected)


def test_windows_without_a_reading_are_left_out_and_counted(tmp_path, capsys):
    table = split_readings()
    table.iloc[20:34] = np.nan
    table.to_csv(tmp_path / "gap.csv")
    rolled = predicted(finished("LSTM"), tmp_path / "gap.csv", tmp_path / "rolled.csv", "--all")
    out = capsys.readouterr().out
    assert "; 3 left out, whose 12 rows hold no reading" in out
    gone = set(table.index[11:]) - set(rolled["time_made"])
    assert gone == set(table.index[31:34])
    assert f"{len(table) - 11 - 3:,} forecasts of 12 steps of 5 minutes x 5 sensors" in out


def test_rows_that_are_missing_in_time_are_refused_or_inserted(tmp_path, capsys):
    table = split_readings()
    table.drop(table.index[40:43]).to_csv(tmp_path / "gap.csv")
    emptied = table.copy()
    emptied.iloc[40:43] = np.nan
    emptied.to_csv(tmp_path / "empty.csv")
    arguments = [finished("LSTM"), "--data", data(), "--input", tmp_path / "gap.csv"]
    out = tmp_path / "rolled.csv"
    line = refusal(predict.main, [*arguments, "--output", out, "--all"], capsys)
    assert "3 rows missing" in line and "--fill-gaps inserts" in line and not out.exists()
    assert "--fill-gaps inserts" in refusal(evaluate.main, arguments, capsys)
    filled = predicted(finished("LSTM"), tmp_path / "gap.csv", out, "--all", "--fill-gaps")
    pd.testing.assert_frame_equal(filled, predicted(finished("LSTM"), tmp_path / "empty.csv", out, "--all"))
    capsys.readouterr()
    evaluate.main([*map(str, arguments), "--fill-gaps"])
    evaluate.main([*map(str, arguments[:-1]), str(tmp_path / "empty.csv")])
    first, second = re.findall(r"average +(.*)", capsys.readouterr().out)
    assert first == second


def test_one_forecast_reads_over_rows_that_are_missing_in_time(tmp_path, capsys):
    table = split_readings()[:60]
    table.drop(table.index[52:54]).to_csv(tmp_path / "gap.csv")
    table.iloc[52:54] = np.nan
    table.to_csv(tmp_path / "empty.csv")
    arguments = [finished("LSTM"), "--data", data(), "--input", tmp_path / "gap.csv", "--output", tmp_path / "f.csv"]
    assert "--fill-gaps inserts missing rows as missing readings" in refusal(predict.main, arguments, capsys)
    forecasts = []
    for name, more in [("gap.csv", ["--fill-gaps"]), ("empty.csv", [])]:
        for at in ([], ["--at", table.index[53].isoformat()]):
            predict.main([*map(str, [*arguments[:4], tmp_path / name, *arguments[5:], *at, *more])])
            forecasts.append((tmp_path / "f.csv").read_bytes())
    assert forecasts[:2] == forecasts[2:] and forecasts[0] != forecasts[1]


def test_what_lies_before_the_window_is_no_gap_of_it(tmp_path, capsys):
    table = split_readings()[:60]
    gap = table.drop(table.index[50:58])  # most of the window is missing
    old = table[:5].set_axis(table.index[:5] - pd.Timedelta(days=400, minutes=2))
    pd.concat([old, gap]).to_csv(tmp_path / "old.csv")
    gap.to_csv(tmp_path / "gap.csv")
    arguments = ["--data", data(), "--output", tmp_path / "f.csv", "--fill-gaps", "--input"]
    forecasts = []
    for name in ("old.csv", "gap.csv"):
        predict.main([*map(str, [finished("LSTM"), *arguments, tmp_path / name])])
        forecasts.append((tmp_path / "f.csv").read_bytes())
    assert forecasts[0] == forecasts[1]
    gap.iloc[-1, 2] = np.inf
    gap.to_csv(tmp_path / "infinite.csv")
    line = refusal(predict.main, [finished("LSTM"), *arguments, tmp_path / "infinite.csv"], capsys)
    assert f"row {len(gap)}, sensor '2': the reading is infinite" in line
    line = refusal(predict.main, [finished("LSTM"), *arguments, tmp_path / "gap.csv", "--at", "2030-01-01"], capsys)
    assert "has no row at that time" in line
    table[:5].to_csv(tmp_path / "short.csv")
    line = refusal(predict.main, [finished("LSTM"), *arguments, tmp_path / "short.csv"], capsys)
    assert "has 5 rows: expected at least 12" in line


def test_a_roll_that_fails_leaves_an_earlier_file_as_it_was(tmp_path, capsys):
    table, out = split_readings(), tmp_path / "rolled.csv"
    table.iloc[-1, 0] = np.inf
    table.to_csv(tmp_path / "infinite.csv")
    out.write_text("an earlier one")
    line = refusal(
        predict.main,
        [finished("LSTM"), "--data", data(), "--input", tmp_path / "infinite.csv", "--output", out, "--all"],
        capsys,
    )
    assert f"row {len(table)}, sensor '0': the reading is infinite" in line
    assert out.read_text() == "an earlier one" and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("writes", ["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S"])
def test_at_a_time_the_forecast_is_that_of_the_row_and_knows_nothing_later(writes, whole, tmp_path):
    at = recent().index[-1].strftime(writes)
    out = tmp_path / "f.csv"
    arguments = [str(finished("LSTM")), "--data", str(data()), "--output", str(out), "--at", at, "--input"]
    predict.main([*arguments, str(whole)])
    forecast = pd.read_csv(out, index_col=0, parse_dates=True)
    np.testing.assert_allclose(forecast.to_numpy(), runner_forecast(finished("LSTM")), rtol=1e-4)
    assert forecast.index[0] == recent().index[-1] + pd.Timedelta(minutes=5)
    before = out.read_bytes()
    table = split_readings()
    table.iloc[WINDOW + 12 :] = 9999.0
    table.to_csv(whole)
    predict.main([*arguments, str(whole)])
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--at", "2030-01-01"], "--at 2030-01-01: whole.csv has no row at that time: expected that of a row from"),
        (["--at", "noon"], "--at noon is no time: expected ISO 8601, such as 2024-01-31T08:05"),
        (["--at", "2024-01-02T12:02"], "has no row at that time"),
        (["--at", "{0}"], "has 1 rows up to"),
        (["--at", "2024-01-02T12:00+01:00"], "has an offset from UTC, QUICK has no time zone: leave the offset out"),
        (["--at", "{0}", "--all"], "--all means every one: leave one of them out"),
    ],
)
def test_a_time_that_does_not_fit_is_refused(more, said, whole, tmp_path, capsys):
    first = split_readings().index[0].isoformat()
    out = tmp_path / "f.csv"
    arguments = [finished("LSTM"), "--data", data(), "--input", whole, "--output", out]
    line = refusal(predict.main, [*arguments, *(word.format(first) for word in more)], capsys)
    assert said in line and not out.exists()


@pytest.mark.parametrize("name", ["HA", "HA-week", "LSTM", "LSTM+", "STGCN"])
def test_new_readings_are_measured_as_the_test_set_is(name, whole, capsys):
    record = finished(name)
    evaluate.main([str(record), "--data", str(data())])
    test = capsys.readouterr().out.splitlines()
    before = {path: path.stat().st_mtime_ns for path in results().rglob("*")}
    evaluate.main([str(record), "--data", str(data()), "--input", str(whole)])
    title, *scores = capsys.readouterr().out.splitlines()
    assert scores == test[1:5] and f"{quick_meta().windows['test']:,} windows of {whole}" in title
    assert {path: path.stat().st_mtime_ns for path in results().rglob("*")} == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.iloc[:23], "has 23 rows: expected at least 24, the steps of a window"),
        (lambda table: table * 0, "there is no reading to compare a forecast with"),
        (lambda table: table.drop(columns="3"), "lacks sensor '3'"),
    ],
)
def test_new_readings_that_cannot_be_measured_are_refused(change, said, tmp_path, capsys):
    change(split_readings()).to_csv(tmp_path / "new.csv")
    line = refusal(evaluate.main, [finished("LSTM"), "--data", data(), "--input", tmp_path / "new.csv"], capsys)
    assert said in line


@pytest.mark.parametrize("more", [["--fill-gaps"], ["--header", "no"], ["--start", "2024-01-01"], ["--no-transpose"]])
def test_options_of_an_input_that_is_not_given_are_refused(more, capsys):
    line = refusal(evaluate.main, [finished("LSTM"), "--data", data(), *more], capsys)
    assert "--input is not given" in line and "leave them out" in line


@pytest.mark.parametrize("file", ["record", "model.pt", "adapter.safetensors"])
def test_load_run_forecasts_from_a_table_what_predict_forecasts(file, tmp_path):
    record = finished("LSTM+")
    path = record if file == "record" else record.with_suffix("") / file
    run = stlora_ext.load_run(path, data=data())
    table = recent(earlier=3)
    forecast = run.forecast(table[table.columns[::-1]].mask(missing(table, 0.0)))
    np.testing.assert_allclose(forecast.to_numpy(), runner_forecast(record), rtol=1e-4)
    assert list(forecast.columns) == run.sensors == quick_meta().sensor_ids
    assert list(forecast.index) == list(table.index[-1] + pd.to_timedelta(5 * np.arange(1, 13), unit="min"))
    assert forecast.index.name == "time"
    by_path = stlora_ext.load_run(str(path), data=str(data()), device=torch.device("cpu")).forecast(table)
    pd.testing.assert_frame_equal(by_path, forecast)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.drop(columns="3"), "lacks sensor '3': expected the 5 sensors of QUICK"),
        (lambda table: table.assign(more=1.0), "has the unknown sensor 'more'"),
        (lambda table: table.iloc[1:], "has 11 rows: expected at least 12"),
        (lambda table: table.iloc[::-1], "is not after"),
        (lambda table: table.set_axis(table.index[0] + (table.index - table.index[0]) * 3), "is 15 minutes after"),
        (lambda table: table.tz_localize("UTC"), "has an offset from UTC"),
        (lambda table: table.reset_index(drop=True), "is of RangeIndex: expected a DataFrame with a DatetimeIndex"),
        (lambda table: table.to_numpy(), "is of ndarray: expected a DataFrame"),
        (lambda table: table.astype(str), "holds no numbers"),
        (lambda table: table * np.nan, "the last 12 rows hold no reading at all"),
        (lambda table: table.replace(table.iloc[2, 1], np.inf), "row 3, sensor '1': the reading is infinite"),
        (lambda table: table.set_axis([*table.columns[:-1], "0"], axis=1), "names sensor '0' twice"),
        (lambda table: table.set_axis([*table.index[:-1], pd.NaT]), "the time is empty"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_in_python(change, said):
    with pytest.raises(UserError) as caught:
        stlora_ext.load_run(finished("LSTM"), data=data()).forecast(change(recent()))
    assert said in str(caught.value)


def test_columns_of_whole_numbers_are_the_sensors_of_these_names():
    table = recent()
    run = stlora_ext.load_run(finished("LSTM"), data=data())
    numbered = table.set_axis([int(name) for name in table.columns], axis=1)
    pd.testing.assert_frame_equal(run.forecast(numbered), run.forecast(table))


def test_a_device_that_is_not_there_is_refused():
    for device in ("cuda:7", "tpu"):
        with pytest.raises(UserError, match=f"device {device} cannot be used"):
            stlora_ext.load_run(finished("LSTM"), data=data(), device=device)
