"""A CSV that the project writes calculates nothing in a spreadsheet, and the project reads its names back."""

import csv
import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from experiments import predict, table
from stlora_ext.preparation.csv_table import read_csv
from stlora_ext.spreadsheet import plain_text, safe_cell
from tests.support.commands import run, succeeded
from tests.support.reopened import data, finished, recent
from tests.support.table_records import seeds, write

FORMULAS = [
    "=1+1",
    '=HYPERLINK("http://x","y")',
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "=",
    "-",
    "-a",
    "+1-2",
    "--1",
    "-1,5",
    "＝1+1",
    "'=1",
    "''-a",
    "'-1.5",
]
PLAIN = ["773869", "a=b", "a-b", "north", "LSTM+", "'", "'a", "'5", "", "-1.5", "+3", "-1e-05", "-.5", "-2."]


def begins_like_a_formula(cell):
    try:
        float(cell)
    except ValueError:
        return cell.lstrip()[:1] in tuple("=+-@＝＋－＠") or cell[:1] in ("\t", "\r", "\n")
    return False


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_becomes_text_and_comes_back(text):
    assert not begins_like_a_formula(safe_cell(text))
    assert plain_text(safe_cell(text)) == text


@pytest.mark.parametrize("value", [*PLAIN, -1.5, 3, None, np.float64(-2), float("nan")])
def test_all_else_stays_as_it_is(value):
    assert safe_cell(value) is value
    if isinstance(value, str):
        assert plain_text(value) == value


def test_the_forecast_has_no_formula_and_is_read_back_with_the_same_names(tmp_path):
    record = finished("LSTM+")
    names = ["=1+1", "-2+3", "@x", "'=y", "-1.5"]
    shutil.copytree(data(), tmp_path / "data")
    path = tmp_path / "data" / "QUICK" / "meta.json"
    meta = json.loads(path.read_text())
    meta["stlora"]["sensor_ids"] = names
    path.write_text(json.dumps(meta))
    readings = recent()
    readings.columns = [safe_cell(name) for name in names]
    given, forecast, again = (tmp_path / name for name in ("recent.csv", "forecast.csv", "again.csv"))
    readings.to_csv(given)
    for source, target in ((given, forecast), (forecast, again)):
        predict.main([str(record), "--data", str(tmp_path / "data"), "--input", str(source), "--output", str(target)])
        with open(target, newline="", encoding="utf-8") as file:
            assert not [cell for row in csv.reader(file) for cell in row if begins_like_a_formula(cell)]
        assert read_csv(target).sensor_ids == names
    written = pd.read_csv(forecast, index_col=0)
    assert [kind.kind for kind in written.dtypes] == ["f"] * 5 and "'-1.5" not in written.columns


def test_a_table_has_no_formula_and_its_numbers_stay_numbers(tmp_path, capsys):
    results = write(
        [
            *seeds([20.0, 21.0], model="=1+1", dataset="TINY", config_hash="@a"),
            *seeds([19.0, 19.5], model="=1+1+", arm="plus", dataset="TINY", config_hash="-2+3", fingerprint="sha256:1"),
        ],
        tmp_path,
    )
    table.main(["--dataset", "TINY", "--results", str(results), "--format", "csv"])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert not [cell for row in rows for cell in row.values() if begins_like_a_formula(cell)]
    assert {row["model"] for row in rows} == {"'=1+1", "'=1+1+"}
    assert {float(row["delta"]) for row in rows if row["metric"] == "MAE" and row["delta"]} == {-1.25}


def test_edges_and_readings_name_a_sensor_alike(tmp_path):
    times = pd.date_range("2024-03-04", periods=200, freq="15min")
    pd.DataFrame(np.random.default_rng(0).uniform(1, 9, (200, 2)), times, ["'=a", "b"]).to_csv(tmp_path / "mine.csv")
    for number, name in enumerate(("'=a", "=a")):
        (tmp_path / "edges.csv").write_text(f"from,to\n{name},b\n")
        succeeded(
            run(
                "datasets/prepare.py",
                f"MINE{number}",
                "--raw",
                tmp_path / "mine.csv",
                "--graph",
                tmp_path / "edges.csv",
                "--data",
                tmp_path,
            )
        )
        assert json.loads((tmp_path / f"MINE{number}" / "meta.json").read_text())["stlora"]["sensor_ids"] == ["=a", "b"]
