"""New sensors in service: update.py --add-sensors fits their rows and leaves everything else as it was."""

import numpy as np
import pandas as pd
import pytest
import torch

import stlora_ext
from experiments import predict, update
from stlora_ext.errors import UserError
from stlora_ext.host.devices import use_device
from stlora_ext.lora.fit_rows import Readings, fit_rows
from stlora_ext.lora.ridge import RIDGES
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.run import train_run
from stlora_ext.runs.service import open_start
from tests.support.commands import refusal
from tests.support.reopened import data, finished, quick, quick_meta, results
from tests.support.served import (
    SETTINGS,
    arguments,
    backbone,
    described,
    difference,
    memory_before,
    readings,
    start_of,
    streamed,
    tensors,
    updated,
)

NEW = ["west", "park"]


def with_new(table: pd.DataFrame, rows: int | None = None, names=NEW) -> pd.DataFrame:
    """The table with new sensors, which have readings in the last rows alone: those of known ones, moved and scaled."""
    added = {}
    for place, name in enumerate(names):
        column = table.iloc[:, place % table.shape[1]] * (0.5 + 0.3 * place) + 20.0 * place
        added[name] = column if rows is None else column.where(np.arange(len(table)) >= len(table) - rows)
    return table.assign(**added)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The service file of a first update."""
    settings = [*SETTINGS, "stream.recency=1.0"]
    folder = tmp_path_factory.mktemp("first")
    return updated(finished("LSTM"), memory_before(start_of(0)), folder / "1.safetensors", *settings)


def added(path, table, output, *more, model="LSTM"):
    """Add sensors by the command; return the new file."""
    return updated(path, table, output, "--add-sensors", *(more or backbone(model)))


def predicted(path, table, folder, model="LSTM") -> pd.DataFrame:
    """The forecast of predict.py, as texts: no digit is lost."""
    table.to_csv(folder / "recent.csv")
    places = ["--data", data(), "--input", folder / "recent.csv", "--output", folder / "forecast.csv"]
    predict.main([str(word) for word in (path, *places, *backbone(model))])
    return pd.read_csv(folder / "forecast.csv", index_col=0, dtype=str)


def test_the_known_sensors_forecasts_stay_to_the_bit_and_the_new_ones_are_forecast_too(first, tmp_path):
    table = readings().iloc[: start_of(0)]
    file = added(first, with_new(table, 200), tmp_path / "2.safetensors")
    more = added(file, with_new(table, names=[*NEW, "east"]), tmp_path / "3.safetensors")
    before = predicted(first, table, tmp_path)
    for path, names in ((file, NEW), (more, [*NEW, "east"])):
        after = predicted(path, with_new(table, names=names), tmp_path)
        pd.testing.assert_frame_equal(after[before.columns], before)
        assert list(after.columns) == [*before.columns, *names] and after.notna().all(axis=None)
        loaded = stlora_ext.load_run(path, backbone=backbone()[1], data=data())
        assert loaded.sensors == list(after.columns) and loaded.meta.num_nodes == loaded.model.num_nodes
        forecast = loaded.forecast(with_new(table, names=names)[after.columns[::-1]])
        np.testing.assert_allclose(forecast.to_numpy(), after.to_numpy(float), rtol=1e-5)


def test_nothing_but_the_new_rows_differs_and_their_moments_are_zero(first, tmp_path):
    content = first.read_bytes()
    file = added(first, with_new(readings().iloc[: start_of(0)], 200), tmp_path / "2.safetensors")
    assert first.read_bytes() == content
    before, after = tensors(first), tensors(file)
    grown = [name for name in before if before[name].shape != after[name].shape]
    assert sorted(grown) == sorted(
        f"{moment}nalls.{layer}.lora_a.embedding"
        for moment in ("", "adam.exp_avg.", "adam.exp_avg_sq.")
        for layer in "01"
    )
    for name, tensor in before.items():
        assert torch.equal(after[name][: len(tensor)] if tensor.dim() else after[name], tensor), name
        if name in grown:
            own = after[name][len(tensor) :]
            assert own.abs().sum() > 0 if not name.startswith("adam.") else not own.any()
    was, now = described(first), described(file)
    assert now["names"] == [*was["names"], *NEW] and now["num_nodes"] == was["num_nodes"] + 2
    assert {name: now[name] for name in was if name not in ("names", "num_nodes", "service")} == {
        name: value for name, value in was.items() if name not in ("names", "num_nodes", "service")
    }
    service = dict(now["service"])
    [entry] = service.pop("sensors")
    assert service == was["service"]
    assert entry["names"] == NEW and entry["fits"][0]["sensors"] == NEW and entry["fits"][0]["ridge"] in RIDGES
    assert entry["fits"][0]["windows"] == 200 - 24 + 1


def test_updates_go_on_from_the_new_file_with_all_columns(first, tmp_path, capsys):
    table = with_new(readings())
    file = added(first, table.iloc[: start_of(0)], tmp_path / "2.safetensors")
    now = start_of(1)
    second = updated(file, table.iloc[now - 156 : now], tmp_path / "3.safetensors", *backbone())
    third = updated(second, table.iloc[now - 100 : now + 56], tmp_path / "4.safetensors", *backbone())
    assert [done["index"] for done in described(third)["service"]["updates"]] == [0, 1, 2]
    assert described(third)["service"]["sensors"] == described(file)["service"]["sensors"]
    assert described(third)["added"] == [2] and tensors(third)["adam.step.conv_weight"] == 60
    moved = {name for name, tensor in tensors(third).items() if not torch.equal(tensor, tensors(file)[name])}
    assert moved == tensors(third).keys()
    assert predicted(third, table, tmp_path).notna().all(axis=None)
    east = with_new(readings(), names=[*NEW, "east"]).iloc[: now + 60]
    assert described(added(third, east, tmp_path / "5.safetensors"))["added"] == [2, 1]
    capsys.readouterr()
    lacking = arguments(third, tmp_path / "old.csv", tmp_path / "6.safetensors", *backbone())
    readings().to_csv(tmp_path / "old.csv")
    assert "lacks sensors 'west', 'park'" in refusal(update.main, lacking, capsys)


def test_an_update_of_the_new_file_teaches_the_known_rows_what_one_of_the_old_file_does(first, tmp_path):
    """The new sensors without any reading: the shared loss is the known ones' alone."""
    table, now = readings(), start_of(1)
    silent = table.assign(west=np.nan)
    file = added(first, silent.iloc[: start_of(0)], tmp_path / "2.safetensors")
    memory = slice(now - 156, now)
    with_silent = tensors(updated(file, silent.iloc[memory], tmp_path / "3.safetensors", *backbone()))
    without = tensors(updated(first, table.iloc[memory], tmp_path / "4.safetensors", *backbone()))
    for name, tensor in without.items():
        known = with_silent[name][: len(tensor)] if tensor.dim() else with_silent[name]
        torch.testing.assert_close(known, tensor, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rows", [0, 1, 12, 23])
def test_readings_shorter_than_a_window_leave_the_mean_row_and_the_line_says_so(rows, first, tmp_path, capsys):
    table = readings().iloc[: start_of(0)]
    file = added(first, with_new(table, rows, ["west"]), tmp_path / "2.safetensors")
    said = capsys.readouterr().out
    assert "west: readings shorter than a window, so the row is the mean of the known sensors'" in said
    for layer in "01":
        rows_of = tensors(file)[f"nalls.{layer}.lora_a.embedding"]
        torch.testing.assert_close(rows_of[-1], rows_of[:-1].mean(dim=0))
    long = added(first, with_new(table, 24, ["west"]), tmp_path / "3.safetensors")
    assert "fitted on up to 1 windows" in capsys.readouterr().out and difference(file, long) > 0


def test_a_file_of_a_few_rows_is_taken(first, tmp_path, capsys):
    few = with_new(readings().iloc[: start_of(0)]).tail(3)
    file = added(first, few, tmp_path / "2.safetensors")
    assert described(file)["service"]["sensors"][0]["fits"] == [{"sensors": NEW, "windows": 0, "ridge": None}]


def test_a_sensor_like_a_known_one_is_forecast_almost_like_it(first, tmp_path):
    """Its readings are the known sensor's, so a good fit finds about the same correction."""
    table = readings()
    twin = table.assign(twin=table.iloc[:, 2])
    path = updated(
        finished("LSTM", seed=1), table, tmp_path / "1.safetensors", "--set", "stream.lr=0.03", "stream.steps=200"
    )
    where = ("--backbone", finished("LSTM", seed=1).with_suffix("") / "model.pt")
    file = added(path, twin, tmp_path / "2.safetensors", *where)
    run = stlora_ext.load_run(file, backbone=where[1], data=data())
    forecast = run.forecast(twin)
    with run.model.disable_adapter():
        plain = run.forecast(twin)
    name = table.columns[2]
    correction = (forecast[name] - plain[name]).abs().mean()
    assert (forecast["twin"] - forecast[name]).abs().mean() < 0.5 * correction


def test_the_fit_is_the_same_to_the_bit_twice(first, tmp_path):
    table = with_new(readings().iloc[: start_of(0)], 200, ["a", "b", "c"])
    files = [added(first, table, tmp_path / f"{name}.safetensors") for name in ("one", "other")]
    assert difference(*files) == 0


def test_a_sensors_row_knows_nothing_of_sensors_of_another_length(first, tmp_path):
    table = readings().iloc[: start_of(0)]
    alone = added(first, with_new(table, 200, ["west"]), tmp_path / "alone.safetensors")
    both = with_new(table, 200, ["west"]).assign(short=table.iloc[:, 3].where(np.arange(len(table)) >= len(table) - 40))
    together = added(first, both, tmp_path / "both.safetensors")
    for layer in "01":
        name = f"nalls.{layer}.lora_a.embedding"
        assert torch.equal(tensors(together)[name][-2], tensors(alone)[name][-1])
    assert [fit["sensors"] for fit in described(together)["service"]["sensors"][0]["fits"]] == [["short"], ["west"]]


def test_readings_of_known_sensors_reach_a_new_row_through_the_ridge_alone(first, tmp_path):
    table = with_new(readings().iloc[: start_of(0)], 200)
    known = table.columns[:5]
    file = added(first, table, tmp_path / "plain.safetensors")
    ridge = described(file)["service"]["sensors"][0]["fits"][0]["ridge"]
    for factor in (1.01, 1.5, 3.0):
        other = added(
            first, table.assign(**{name: table[name] * factor for name in known}), tmp_path / f"{factor}.safetensors"
        )
        same = described(other)["service"]["sensors"][0]["fits"][0]["ridge"] == ridge
        assert (difference(file, other) == 0) == same


def test_the_ridge_is_the_strongest_where_the_known_sensors_have_nothing_to_compare(first, tmp_path):
    table = with_new(readings().iloc[: start_of(0)], 200)
    known = table.columns[:5]

    def ridge(name, table):
        file = added(first, table, tmp_path / f"{name}.safetensors")
        return described(file)["service"]["sensors"][0]["fits"][0]["ridge"]

    silent = table.copy()
    silent.loc[silent.index[-200:], known] = np.nan
    assert ridge("silent", silent) == max(RIDGES)
    assert ridge("short", table.tail(30)) == max(RIDGES)
    late = table.copy()
    late.loc[late.index[:-200], known] = np.nan
    assert ridge("late", late) == ridge("alone", table.tail(200)) < max(RIDGES)


def test_an_adapter_without_weights_per_sensor_takes_new_ones(tmp_path, capsys):
    record = streamed("LSTM+", "control")
    table, where = with_new(readings()), ("--backbone", record.with_suffix("") / "model.pt")
    file = added(record, table, tmp_path / "2.safetensors", "--add-sensors")
    assert "no weights per sensor: nothing was fitted" in capsys.readouterr().out
    forecast = stlora_ext.load_run(file, backbone=where[1], data=data()).forecast(table)
    before = stlora_ext.load_run(record, data=data(), results=results()).forecast(readings())
    assert (forecast[before.columns] == before).all(axis=None)
    assert forecast[NEW].notna().all(axis=None)


@pytest.mark.parametrize("protocol", ["adapt", "joint"])
def test_sensors_are_added_to_an_adapter_that_was_never_updated_and_updates_begin_there(protocol, tmp_path):
    record = finished("LSTM+", *([protocol] if protocol == "adapt" else []))
    file = added(record, with_new(readings().iloc[: start_of(0)]), tmp_path / "1.safetensors", "--data", data())
    model = ("--backbone", record.with_suffix("") / "model.pt")
    assert described(file)["service"]["update"] == 0
    second = updated(file, with_new(readings()), tmp_path / "2.safetensors", *model, "--set", "stream.memory=1")
    assert [done["index"] for done in described(second)["service"]["updates"]] == [0]
    forecast = stlora_ext.load_run(second, backbone=model[1], data=data()).forecast(with_new(readings()))
    assert forecast[NEW].notna().all(axis=None)


def test_rows_are_those_of_the_fit_on_the_new_sensors_own_windows(tmp_path):
    """An adapter that sees times; one sensor comes late, the other has a gap, and both have missing readings."""
    record = finished("LSTM+", "adapt", times=True)
    table = with_new(readings(), 400)
    table.iloc[-300:-280, 6] = np.nan
    table.iloc[::7, 5] = np.nan
    table.iloc[:-390, 5] = np.nan
    file = added(record, table, tmp_path / "1.safetensors", "--data", data())
    [fit] = described(file)["service"]["sensors"][0]["fits"]
    run = stlora_ext.load_run(record, data=data(), results=results())
    values = torch.tensor(table.to_numpy(np.float32)[-400:])
    mask = ~values.isnan() & (values != 0)  # QUICK's null value
    scaled = run.scaler.transform(values, mask)[:, 5:].unfold(0, 24, 1).transpose(1, 2)
    target = mask[:, 5:].unfold(0, 24, 1).transpose(1, 2)[:, 12:].clone()
    first = [int(mask[:, column].int().argmax()) for column in (5, 6)]
    for sensor, row in enumerate(first):
        target[:row, :, sensor] = False
    times = table.index[-400:]
    stamps = torch.tensor(
        np.stack([(times.hour * 60 + times.minute) / 1440, times.day_of_week / 7], 1), dtype=torch.float32
    )
    with torch.no_grad():
        forecasts = run.model.backbone(scaled[:, :12])
    expected = fit_rows(
        run.model.adapter,
        run.model.config,
        Readings(scaled[:, :12], forecasts, scaled[:, 12:], target, stamps[11 : 11 + len(scaled)]),
        fit["ridge"],
        30,
    )
    assert first[0] > 0 and fit["windows"] == int(target.any(dim=1).sum(dim=0).max())
    for layer, rows in enumerate(expected):
        own = tensors(file)[f"nalls.{layer}.lora_a.embedding"][5:]
        torch.testing.assert_close(own, rows.float(), rtol=1e-3, atol=1e-5)


def test_sensors_that_a_run_set_aside_are_added_by_their_names(tmp_path):
    exp = quick("LSTM+").with_protocol("new-sensors").override({"new_sensors.names": ["1", "3"]})
    use_device("")
    run, _ = train_run(exp, quick_meta(), 0, RunOptions(data(), results(), train_backbone=True))
    adapter = run.key.record_path(results()).with_suffix("") / "adapter.safetensors"
    known = stlora_ext.load_run(adapter, data=data())
    assert known.sensors == ["0", "2", "4"]
    before = known.forecast(readings()[known.sensors])
    by_record = stlora_ext.load_run(run.key.record_path(results()), data=data(), results=results())
    assert by_record.forecast(readings()[known.sensors]).equals(before)
    file = added(adapter, readings(), tmp_path / "1.safetensors", "--backbone", adapter.with_name("model.pt"))
    whole = stlora_ext.load_run(file, backbone=adapter.with_name("model.pt"), data=data())
    assert whole.sensors == ["0", "2", "4", "1", "3"]
    forecast = whole.forecast(readings())
    assert (forecast[known.sensors] == before).all(axis=None) and forecast.notna().all(axis=None)


def test_the_base_of_new_sensors_is_no_beginning_of_updates(tmp_path):
    exp = quick("LSTM").with_protocol("new-sensors").override({"new_sensors.names": ["1", "3"]})
    use_device("")
    run, _ = train_run(exp, quick_meta(), 0, RunOptions(data(), results()))
    with pytest.raises(UserError, match="is the base of protocol new-sensors, which knows a part of the sensors"):
        open_start(run.key.record_path(results()), data(), results())
