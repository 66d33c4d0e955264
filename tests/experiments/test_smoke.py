"""The main path, as subprocesses: simulate, run, table."""

import json

from tests.support.commands import run, succeeded


def test_simulate_run_and_table_work_on_tiny(tmp_path):
    """From nothing to a table: the data are made on first use, two seeds leave two records, the table pools them."""
    common = ("--data", tmp_path / "data", "--results", tmp_path / "results")
    small = ("--set", "model.hidden_size=16", "model.end_size=32")
    first = succeeded(run("experiments/run.py", "-c", "experiments/TINY/HA.py", *common))
    assert "simulated and not there yet" in first
    succeeded(
        run("experiments/run.py", "-c", "experiments/TINY/LSTM.py", "--seeds", "0-1", "--epochs", 2, *small, *common)
    )
    records = [json.loads(path.read_text()) for path in sorted((tmp_path / "results/TINY/LSTM").glob("*.json"))]
    assert [record["key"]["seed"] for record in records] == [0, 1]
    assert all(record["status"] == "finished" and len(record["test"]["horizons"]) == 12 for record in records)
    assert records[0]["test"]["average"] != records[1]["test"]["average"]

    printed = succeeded(run("experiments/table.py", "--dataset", "TINY", "--results", tmp_path / "results"))
    mean = sum(record["test"]["average"]["MAE"] for record in records) / 2
    row = next(line for line in printed.splitlines() if line.startswith("| LSTM "))
    assert f"| {mean:.2f} ± " in row
    assert "± 0.00†" in next(line for line in printed.splitlines() if line.startswith("| HA (fitted) "))

    again = succeeded(
        run("experiments/run.py", "-c", "experiments/TINY/LSTM.py", "--seeds", "0-1", "--epochs", 2, *small, *common)
    )
    assert again.count("already finished, not repeated") == 2
