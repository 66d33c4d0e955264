"""Tables: what they pool, what they keep apart, what they mark."""

import copy
import statistics

import pytest

from stlora_ext.tables.markdown import render
from stlora_ext.tables.rows import by_data, table_rows


def record(model="LSTM", seed=0, mae=20.0, config_hash=None, fingerprint="sha256:1", interval=5, lr=0.001,
           protocol="joint", arm="base", epochs=5, fitted=False):
    scores = {"MAE": mae, "RMSE": 2 * mae, "MAPE": mae / 2}
    config_hash = config_hash or f"{model}{arm}{protocol}{lr}"
    adapter = {"base": 0, "plus": 500, "control": 300, "wide": 510}[arm]
    return {
        "key": {"dataset": "D", "model": model, "protocol": protocol, "arm": arm, "config_hash": config_hash,
                "seed": seed},
        "fitted_backbone": fitted,
        "test": {"average": scores, "horizons": [{**scores, "MAE": mae + step} for step in range(1, 13)]},
        "data": {"fingerprint": fingerprint, "interval": interval, "windows": {"test": 9}, "num_nodes": 3},
        "configuration": {"training": {"lr": lr, "num_epochs": epochs}, "model": {}}, "training": {"epochs": epochs},
        "parameters": {"adapter": adapter, "adapter_percent": adapter / 100 or None},
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
    records = [record(config_hash="aaaaaaaa"), record(seed=1, config_hash="bbbbbbbb", lr=0.01)]
    text = render("D", table_rows(records, []))
    assert row(text, "LSTM [aaaaaaaa]") and row(text, "LSTM [bbbbbbbb]")
    assert "training.lr = 0.001 [aaaaaaaa], 0.01 [bbbbbbbb]" in text


def test_records_of_different_data_are_kept_apart():
    assert list(by_data([record(), record(seed=1, fingerprint="sha256:2")])) == ["sha256:1", "sha256:2"]


def test_a_table_does_not_depend_on_the_order_of_the_records():
    records = [record(seed=i, mae=20 + i) for i in range(3)] + [record("HA", None, protocol="fitted")]
    records += [record("LSTM+", seed=i, mae=19 + i / 2, arm="plus") for i in range(3)]
    assert render("D", table_rows(records, ["HA"])) == render("D", table_rows(copy.deepcopy(records[::-1]), ["HA"]))


def test_the_difference_is_of_runs_with_the_same_seed():
    """Mean and std of the paired differences, absolute and percent; a seed without its partner doesn't count."""
    base, plus = {0: 20.0, 1: 25.0, 2: 21.0, 3: 30.0}, {0: 19.0, 1: 23.0, 2: 20.5, 9: 1.0}
    text = render("D", table_rows([*(record(seed=i, mae=v) for i, v in base.items()),
                                   *(record("LSTM+", seed=i, mae=v, arm="plus") for i, v in plus.items())], []))
    deltas = [plus[i] - base[i] for i in range(3)]
    percents = [100 * (plus[i] - base[i]) / base[i] for i in range(3)]
    for label, values in (("Δ LSTM+", deltas), ("Δ LSTM+, %", percents)):
        cells = row(text, label).split(" | ")
        assert cells[1] == "3"
        assert cells[11] == f"{statistics.fmean(values):+.2f} ± {statistics.stdev(values):.2f}"
    lines = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ")]
    assert lines[2:] == ["| LSTM", "| LSTM+", "| Δ LSTM+", "| Δ LSTM+, %"]


def test_a_plus_is_paired_with_the_base_trained_alike():
    """Two bases that differ in epochs: the difference is against the one with the plus's epochs."""
    rows = table_rows([record(mae=30.0, epochs=1, config_hash="short"), record(mae=20.0), record(seed=1, mae=20.0),
                       record("LSTM+", mae=19.0, arm="plus"), record("LSTM+", seed=1, mae=19.0, arm="plus")], [])
    assert row(render("D", rows), "Δ LSTM+").split(" | ")[11] == "-1.00 ± 0.00"


def test_protocols_and_arms_stand_in_blocks_of_their_own():
    records = [record(), record("HA", None, protocol="fitted", fitted=True),
               record("HA+", protocol="adapt", arm="plus", fitted=True),
               record("LSTM+", arm="plus"), record("LSTM+", arm="control"),
               record("LSTM+", protocol="adapt", arm="plus")]
    text = render("D", table_rows(records, ["HA", "HA+", "LSTM", "LSTM+"]))
    parts = text.split("\n*")[1:]
    assert [part.split("*")[0] for part in parts] == ["joint, plus", "joint, control", "adapt, plus"]
    assert all("| HA (fitted) |" in part and "| LSTM |" in part for part in parts)
    assert [part.count("| Δ ") for part in parts] == [4, 2, 2]
    assert "| HA+ (fitted) |" in parts[0] and "HA+" not in parts[2].split("\n\n")[0]
    assert "Parameters added: HA+ (fitted) 500 (5.0 %), LSTM+ 500 (5.0 %), LSTM+ (control) 300 (3.0 %)." in text


def test_a_deterministic_base_is_paired_with_every_seed():
    records = [record("HA", None, mae=30.0, protocol="fitted", fitted=True, epochs=100)]
    records += [record("HA+", seed=i, mae=25.0 + i, protocol="adapt", arm="plus", fitted=True) for i in range(2)]
    assert row(render("D", table_rows(records, [])), "Δ HA+ (fitted)").split(" | ")[11] == "-4.50 ± 0.71"
