"""table.py --ranked: a line per model, the best first, and a line for each run that failed."""

import csv
import io

import pytest

from experiments import table
from stlora_ext.runs.failure import read_failures, write_failure
from stlora_ext.runs.key import RunKey
from tests.support.commands import refusal
from tests.support.table_records import record, write

PLUS = {"A": (20.0, 18.0, 19.0), "B": (10.0, 12.0, 11.0), "C": (30.0, 15.0, 16.0)}  # base, "+", control


@pytest.fixture
def results(tmp_path):
    for model, (base, plus, control) in PLUS.items():
        for seed in range(3):
            for name, arm, mae in (
                (model, "base", base),
                (f"{model}+", "plus", plus),
                (f"{model}+", "control", control),
            ):
                one = record(name, seed, mae + 0.1 * seed, arm=arm, config_hash=f"{model}{arm}")
                one["training"]["history"] = [{"seconds": s + (arm != "base")} for s in (9.0, 2.0 + seed, 4.0)]
                write([one], tmp_path)
    return tmp_path


def printed(results, capsys, *more):
    table.main(["--dataset", "D", "--ranked", "--results", str(results), *more])
    return capsys.readouterr().out


def test_models_are_sorted_by_the_mae_with_the_adapter(results, capsys):
    lines = [line.split(" | ") for line in printed(results, capsys).splitlines() if line.startswith("| ")][2:]
    assert [line[0] for line in lines] == ["| B", "| C", "| A"]
    assert lines[1][2:6] == ["30.10 ± 0.10", "15.10 ± 0.10", "-15.00 (-15.00 to -15.00)", "-1.00 (-1.00 to -1.00)"]
    assert lines[1][6:] == ["2.0", "3.0 |"]


def test_csv_holds_every_number_in_full(results, capsys):
    rows = list(csv.DictReader(io.StringIO(printed(results, capsys, "--format", "csv"))))
    assert [row["model"] for row in rows] == ["B", "C", "A"]
    assert float(rows[0]["minus_base"]) == pytest.approx(2.0) and float(rows[0]["minus_control"]) == pytest.approx(1.0)


def test_a_run_that_failed_is_a_line_until_it_has_a_record(results, capsys):
    failed = RunKey("D", "X+", "joint", "plus", "abc", 1)
    write_failure(failed, "the loss became nan in epoch 1", results)
    for form in ("markdown", "csv", "latex", "html"):
        assert "the loss became nan in epoch 1" in printed(results, capsys, "--format", form)
    assert read_failures(results, "D") == [(failed, "the loss became nan in epoch 1")]
    write([record("X+", 1, arm="plus", config_hash="abc")], results)
    assert read_failures(results, "D") == [] and "nan" not in printed(results, capsys)


def test_what_is_no_failure_of_that_run_is_left_out(results, capsys):
    (results / "D" / "X+").mkdir()
    (results / "D" / "X+" / "half.failed").write_text("{")
    (results / "D" / "X+" / "other.failed").write_text('{"key": {"dataset": "../D"}, "reason": ""}')
    assert read_failures(results, "D") == [] and "failed" not in printed(results, capsys)


@pytest.mark.parametrize("other", [["--gains"], ["--short"], ["--settings", "A+"], ["--compare"]])
def test_what_does_not_go_with_it_is_refused(other, results, capsys):
    message = refusal(table.main, ["--dataset", "D", "--ranked", "--results", results, *other], capsys)
    assert message.endswith("only for the tables of data sets; leave it out")
