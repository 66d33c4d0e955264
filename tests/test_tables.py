"""Tables: what they pool, what they keep apart, what they mark."""

import copy
import statistics

import pytest

from stlora_ext.tables.markdown import render
from stlora_ext.tables.rows import by_data, table_rows


def record(model="LSTM", seed=0, mae=20.0, config_hash="aaaaaaaa", fingerprint="sha256:1", interval=5, lr=0.001,
           protocol="joint"):
    scores = {"MAE": mae, "RMSE": 2 * mae, "MAPE": mae / 2}
    return {
        "key": {"dataset": "D", "model": model, "protocol": protocol, "arm": "base", "config_hash": config_hash,
                "seed": seed},
        "test": {"average": scores, "horizons": [{**scores, "MAE": mae + step} for step in range(1, 13)]},
        "data": {"fingerprint": fingerprint, "interval": interval, "windows": {"test": 9}, "num_nodes": 3},
        "configuration": {"training": {"lr": lr}, "model": {}}, "training": {"epochs": 5},
    }


def row(text, name):
    return next(line for line in text.splitlines() if line.startswith(f"| {name} |"))


def test_a_cell_is_mean_and_sample_std_over_seeds():
    values = [20.0, 21.0, 23.0]
    text = render("D", table_rows([record(seed=i, mae=v) for i, v in enumerate(values)], []))
    mean, std = statistics.fmean(values), statistics.stdev(values)
    cells = row(text, "LSTM").split(" | ")
    assert cells[1] == "3"
    assert f"{mean + 3:.2f} ± {std:.2f}" == cells[2]
    assert f"{mean:.2f} ± {std:.2f}" == cells[11]


def test_one_run_has_no_std_and_a_deterministic_model_is_marked():
    rows = table_rows([record(), record("HA", None, protocol="fitted")], ["HA", "LSTM"])
    text = render("D", rows)
    assert "20.00 ± n/a" in row(text, "LSTM") and "± n/a: one run has no standard deviation." in text
    assert "20.00 ± 0.00†" in row(text, "HA (fitted)") and "† deterministic" in text
    assert text.index("HA (fitted)") < text.index("| LSTM")


@pytest.mark.parametrize(("interval", "minutes"), [(5, (15, 30, 60)), (15, (45, 90, 180))])
def test_titles_follow_from_the_interval(interval, minutes):
    text = render("D", table_rows([record(interval=interval)], []))
    assert all(f"| {title} min MAE |" in text for title in minutes)


def test_configurations_are_not_pooled_and_their_difference_is_named():
    text = render("D", table_rows([record(seed=0), record(seed=1, config_hash="bbbbbbbb", lr=0.01)], []))
    assert row(text, "LSTM [aaaaaaaa]") and row(text, "LSTM [bbbbbbbb]")
    assert "training.lr = 0.001 [aaaaaaaa], 0.01 [bbbbbbbb]" in text


def test_records_of_different_data_are_kept_apart():
    assert list(by_data([record(), record(seed=1, fingerprint="sha256:2")])) == ["sha256:1", "sha256:2"]


def test_a_table_does_not_depend_on_the_order_of_the_records():
    records = [record(seed=i, mae=20 + i) for i in range(3)] + [record("HA", None, protocol="fitted")]
    assert render("D", table_rows(records, ["HA"])) == render("D", table_rows(copy.deepcopy(records[::-1]), ["HA"]))
