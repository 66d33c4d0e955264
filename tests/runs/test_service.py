"""An adapter in service: update.py does what protocol stream does, file after file."""

import pandas as pd
import pytest
import torch

import stlora_ext
from experiments import predict
from stlora_ext.runs.recent_forecasts import RecentForecasts
from tests.support.reopened import data, finished, quick_meta, results
from tests.support.served import (
    MEMORY,
    SETTINGS,
    STREAM,
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
from tests.support.small import OURS


def three_updates(first, model, folder, *settings):
    """The first three updates of the protocol, from CSVs that hold no more than they read."""
    file = updated(first, memory_before(start_of(0)), folder / "1.safetensors", *settings)
    for period in (1, 2):
        table = memory_before(start_of(period))
        file = updated(file, table, folder / f"{period + 1}.safetensors", *backbone(model))
    return file


@pytest.mark.parametrize("model", OURS)
def test_three_updates_from_csvs_are_the_protocols_first_three(model, tmp_path):
    run = streamed(f"{model}+").with_suffix("")
    file = three_updates(finished(model), model, tmp_path, *SETTINGS)
    assert start_of(0) - MEMORY < quick_meta().windows["train"]
    assert difference(file, run / "service.safetensors") <= 1e-6
    assert any(name.startswith("adam.exp_avg") for name in tensors(file))
    assert described(file)["backbone_hash"] == described(run / "service.safetensors")["backbone_hash"]


@pytest.mark.parametrize(
    "stream", [{"recency": 2.0, "lr": 0.01}, {"node_decay": 0.5, "batch_size": None}, {"memory": 14.0}], ids=str
)
def test_every_setting_of_the_updates_is_the_protocols(stream, tmp_path):
    run = streamed("LSTM+", **stream).with_suffix("")
    settings = [f"stream.{name}={value}" for name, value in {**STREAM, **stream}.items() if value is not None]
    rows = MEMORY + 12 if "memory" not in stream else 10**6  # a memory that the series' start cuts
    file = finished("LSTM")
    for period, more in ((0, ["--set", *settings]), (1, backbone()), (2, backbone())):
        file = updated(file, memory_before(start_of(period), rows), tmp_path / f"{period}.safetensors", *more)
    assert difference(file, run / "service.safetensors") <= 1e-6


def test_the_adapter_of_an_adapt_run_is_the_protocols_adapted_start(tmp_path):
    run = streamed("LSTM+", start="adapted").with_suffix("")
    adapted = finished("LSTM+", "adapt")
    file = three_updates(adapted, "LSTM", tmp_path / "record", *SETTINGS)
    assert difference(file, run / "service.safetensors") <= 1e-6
    by_file = three_updates(adapted.with_suffix("") / "adapter.safetensors", "LSTM", tmp_path / "file", *SETTINGS)
    assert difference(by_file, file) == 0
    assert described(file)["service"]["stream"]["start"] == "adapted"


def test_the_adapter_of_a_joint_run_is_updated_on_its_own_backbone(tmp_path):
    joint, table = finished("LSTM+", "", "wide"), readings()
    file = updated(joint, memory_before(start_of(0)), tmp_path / "1.safetensors", *SETTINGS)
    of_joint = ("--backbone", joint.with_suffix("") / "model.pt")
    file = updated(file, memory_before(start_of(1)), tmp_path / "2.safetensors", *of_joint)
    own = tensors(joint.with_suffix("") / "adapter.safetensors")
    assert all((tensors(file)[name] != tensor).any() for name, tensor in own.items())
    run = stlora_ext.load_run(file, backbone=of_joint[1], data=data())
    assert run.title == "QUICK/LSTM+" and run.forecast(table).notna().all(axis=None)


@pytest.mark.parametrize("arm", ["plus", "control", "wide"])
def test_a_run_of_the_protocol_goes_on_in_service(arm, tmp_path):
    record = streamed("LSTM+", arm)
    table = memory_before(start_of(3))
    by_record = updated(record, table, tmp_path / "record.safetensors")
    by_checkpoint = updated(record.with_suffix("") / "model.pt", table, tmp_path / "checkpoint.safetensors")
    by_file = updated(record.with_suffix("") / "service.safetensors", table, tmp_path / "file.safetensors")
    assert difference(by_record, by_file) == difference(by_record, by_checkpoint) == 0
    service = described(by_file)["service"]
    assert service["update"] == 4 and [done["index"] for done in service["updates"]] == [3]
    if arm == "plus":
        chain = three_updates(finished("LSTM"), "LSTM", tmp_path / "chain", *SETTINGS)
        fourth = updated(chain, table, tmp_path / "chain" / "4.safetensors", *backbone())
        assert difference(fourth, by_file) <= 1e-6


def test_a_file_tells_what_was_done_to_it(tmp_path, capsys):
    first = updated(finished("LSTM", seed=1), memory_before(start_of(0)), tmp_path / "1.safetensors", *SETTINGS)
    seen = memory_before(start_of(0)).index[-1]
    second = updated(
        first,
        memory_before(start_of(0) + 2),
        tmp_path / "2.safetensors",
        "--backbone",
        finished("LSTM", seed=1).with_suffix("") / "model.pt",
    )
    service = described(second)["service"]
    assert service["update"] == 2 and service["seed"] == 1 and service["stream"]["memory"] == STREAM["memory"]
    assert [done["index"] for done in service["updates"]] == [0, 1]
    assert service["updates"][0] == described(first)["service"]["updates"][0]
    assert service["updates"][0]["until"] == seen.isoformat()
    assert service["updates"][1]["until"] == (seen + 2 * pd.Timedelta(minutes=5)).isoformat()
    new = readings().iloc[start_of(0) : start_of(0) + 2]
    assert service["updates"][1]["readings"] == int((new != 0).to_numpy().sum())  # 0 is QUICK's null value
    assert all(done["loss"] > 0 and done["seconds"] > 0 for done in service["updates"])
    said = capsys.readouterr().out
    assert f"QUICK/LSTM+ seed 1: update 1 of {first}, readings up to" in said
    assert f"{second}: {second.stat().st_size / 1000:.1f} kB" in said


def test_an_update_lowers_the_error_of_the_newest_day_and_says_so(tmp_path, capsys):
    updated(finished("LSTM"), readings(), tmp_path / "1.safetensors", "--set", "stream.lr=0.01")
    line = next(line for line in capsys.readouterr().out.splitlines() if "MAE over the newest day" in line)
    before, after = (float(word) for word in line.split() if word.replace(".", "").isdigit())
    assert after < before


def test_the_named_file_stays_and_an_older_one_takes_an_update_back(tmp_path):
    first = updated(finished("LSTM"), memory_before(start_of(0)), tmp_path / "1.safetensors", *SETTINGS)
    content = first.read_bytes()
    wrong = memory_before(start_of(1)) * 3
    updated(first, wrong, tmp_path / "2.safetensors", *backbone())
    assert first.read_bytes() == content
    again = updated(first, memory_before(start_of(1)), tmp_path / "3.safetensors", *backbone())
    alone = three_updates(finished("LSTM"), "LSTM", tmp_path / "chain", *SETTINGS).with_name("2.safetensors")
    assert difference(again, alone) == 0


def test_the_forecast_of_a_file_is_that_of_the_run_whose_updates_it_repeats(tmp_path):
    record = streamed("LSTM+")
    file = three_updates(finished("LSTM"), "LSTM", tmp_path, *SETTINGS)
    table = readings()
    expected = stlora_ext.load_run(record, data=data(), results=results()).forecast(table)
    model = finished("LSTM").with_suffix("") / "model.pt"
    forecast = stlora_ext.load_run(file, backbone=model, data=data()).forecast(table)
    pd.testing.assert_frame_equal(forecast, expected, rtol=1e-5)
    table.to_csv(tmp_path / "recent.csv")
    places = ["--data", str(data()), "--input", str(tmp_path / "recent.csv"), "--output", str(tmp_path / "f.csv")]
    predict.main([str(file), *places, *map(str, backbone())])
    predicted = pd.read_csv(tmp_path / "f.csv", index_col=0, parse_dates=True)
    pd.testing.assert_frame_equal(predicted, forecast, check_freq=False, rtol=1e-5, check_dtype=False)


def test_sensors_in_another_order_empty_cells_and_inserted_rows_are_the_same_readings(tmp_path):
    table = memory_before(start_of(0))
    table.iloc[40:43] = 0.0  # QUICK's null value
    plain = updated(finished("LSTM"), table, tmp_path / "plain.safetensors", *SETTINGS)
    turned = table.mask(table == 0)[table.columns[::-1]]
    other = updated(finished("LSTM"), turned, tmp_path / "turned.safetensors", *SETTINGS)
    assert difference(plain, other) == 0
    gap = table.drop(table.index[40:43])
    filled = updated(finished("LSTM"), gap, tmp_path / "filled.safetensors", *SETTINGS, "--fill-gaps")
    assert difference(plain, filled) == 0


def test_rows_before_the_memory_change_nothing(tmp_path):
    exact = updated(finished("LSTM"), memory_before(start_of(0)), tmp_path / "exact.safetensors", *SETTINGS)
    longer = memory_before(start_of(0), MEMORY + 100)
    longer = longer.drop(longer.index[20])  # a gap that isn't read
    assert difference(exact, updated(finished("LSTM"), longer, tmp_path / "long.safetensors", *SETTINGS)) == 0


def test_blocks_of_forecasts_begin_with_the_series_where_the_memory_is_longer():
    made = []

    def make(begin, end):
        made.append((begin, end))
        return torch.arange(begin, end, dtype=torch.float32)[:, None, None]

    recent = RecentForecasts(make, origin=8, size=4, first=-20, kept=30, end=14)
    recent.extend(14)
    assert made == [(0, 4), (4, 8), (8, 12), (12, 14)]
    assert recent.of(torch.tensor([0, 13, 5])).flatten().tolist() == [0, 13, 5]
