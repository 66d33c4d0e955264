"""A set in local time, or of steps that are no minutes, trains, has titles in its units, and forecasts in its zone."""

import json

import numpy as np
import pandas as pd
import pytest

from experiments import predict, table
from stlora_ext.config.experiment import experiment
from stlora_ext.host.devices import use_device
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.run import train_run
from tests.support.preparing import prepared
from tests.support.small import SMALL

BERLIN = "Europe/Berlin"


def readings(first, frequency, zone, count=140):
    times = pd.date_range(first, periods=count, freq=frequency, tz=zone, name="time")
    return pd.DataFrame(np.random.default_rng(0).uniform(1, 9, (count, 3)).round(2), times, ["a", "b", "c"])


def trained(folder, meta, model, **settings):
    """Train an epoch and return the record's path."""
    use_device("")
    name = model.removesuffix("+")
    small = {**SMALL[name], **({"use_graph": False} if name == "D2STGNN" else {})}
    exp = experiment(meta.name, model, model_settings=small, num_epochs=1, batch_size=64, **settings)
    record, _ = train_run(exp, meta, exp.run_seeds[0], RunOptions(folder / "out", folder / "results"))
    return record.key.record_path(folder / "results")


@pytest.mark.parametrize(
    ("first", "frequency", "zone", "title", "held"),
    [
        ("2024-10-23", "h", BERLIN, "2 h", {"interval": 60, "timezone": BERLIN}),
        ("2024-03-01", "10s", None, "20 s", {"interval_seconds": 10}),
        ("2024-01-01", "D", BERLIN, "2 d", {"interval": 1440, "timezone": BERLIN}),
    ],
)
def test_a_run_says_its_steps_and_forecasts_at_the_right_times(first, frequency, zone, title, held, tmp_path, capsys):
    data = readings(first, frequency, zone)
    data.to_csv(tmp_path / "raw.csv")
    zoned = () if zone is None else ("--timezone", zone)
    meta = prepared(tmp_path, tmp_path / "raw.csv", "--input-len", "6", "--output-len", "2", *zoned)
    record = trained(tmp_path, meta, "LSTM+", adapter={"time_of_day": True, "day_of_week": True})
    assert held.items() <= json.loads(record.read_text())["data"].items()
    capsys.readouterr()
    table.main(["--dataset", "MINE", "--results", str(tmp_path / "results")])
    assert title in capsys.readouterr().out
    end = data.index.get_loc(pd.Timestamp("2024-10-27T02:00+02:00")) + 1 if frequency == "h" else len(data)
    part = data.iloc[end - 6 : end]
    (part if zone is None else part.tz_convert("UTC")).to_csv(tmp_path / "recent.csv")
    common = ["--data", str(tmp_path / "out"), "--input", str(tmp_path / "recent.csv")]
    predict.main([str(record), *common, "--output", str(tmp_path / "forecast.csv")])
    times = [line.split(",")[0] for line in (tmp_path / "forecast.csv").read_text().splitlines()[1:]]
    if frequency == "h":
        assert times == ["2024-10-27 02:00:00+01:00", "2024-10-27 03:00:00+01:00"]
    else:
        expected = pd.date_range(data.index[-1].tz_localize(None), periods=3, freq=frequency)[1:]
        assert list(pd.to_datetime(times)) == list(expected)


@pytest.mark.parametrize("model", ["STAE", "D2STGNN"])
def test_models_that_embed_the_time_of_day_train_on_days_and_on_seconds(model, tmp_path):
    for frequency in ("D", "1s"):
        readings("2024-01-01", frequency, None, 80).to_csv(tmp_path / "raw.csv")
        meta = prepared(tmp_path, tmp_path / "raw.csv", name=f"EVERY-{frequency}")
        path = trained(tmp_path, meta, model)
        assert np.isfinite(json.loads(path.read_text())["test"]["average"]["MAE"])
