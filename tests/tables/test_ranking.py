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


def lines_of(text):
    """The cells of the table's lines, by their labels, which differ."""
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]
    assert len({line[0] for line in cells}) == len(cells)
    return {line[0]: line[1:] for line in cells}


def test_an_adapter_without_its_base_and_a_control_without_its_adapter_are_lines(tmp_path, capsys):
    write([record("A+", 0, 18.0, arm="plus"), record("A+", 0, 19.0, arm="control")], tmp_path)
    write([record("B", 0, 10.0), record("B+", 0, 11.0, arm="control")], tmp_path)
    write([record("C", 0, 30.0), record("C+", 1, 31.0, arm="plus")], tmp_path)  # without a seed in common
    lines = lines_of(printed(tmp_path, capsys))
    assert lines["A+"] == ["1", "–", "18.00", "–", "-1.00 (one seed)", "–", "–"]
    assert lines["B"][1:3] == ["10.00", "–"] and lines["B+ (control)"][1:3] == ["–", "11.00"]
    assert lines["C"][1:4] == ["30.00", "31.00", "–"]
    rows = list(csv.DictReader(io.StringIO(printed(tmp_path, capsys, "--format", "csv"))))
    assert [(row["model"], row["arm"], row["plus_mae"]) for row in rows] == [
        ("B", "base", ""),
        ("B", "control", "11.0"),
        ("A", "plus", "18.0"),
        ("C", "plus", "31.0"),
    ]


def test_configurations_of_one_model_are_told_apart_by_their_hashes(tmp_path, capsys):
    for lr, base, plus in ((0.1, "b1", "p1"), (0.2, "b2", "p2")):
        write([record("A", 0, 20.0, base, lr=lr), record("A+", 0, 18.0, plus, lr=lr, arm="plus")], tmp_path)
    assert set(lines_of(printed(tmp_path, capsys))) == {"A [b1]", "A [b2]"}
    other = record("A+", 0, 17.0, "p3", lr=0.2, arm="plus")
    other["configuration"]["adapter"]["rank"] = 3
    write([other], tmp_path)
    assert set(lines_of(printed(tmp_path, capsys))) == {"A [b1]", 'A [b2], "+" [p2]', 'A [b2], "+" [p3]'}
    rows = list(csv.DictReader(io.StringIO(printed(tmp_path, capsys, "--format", "csv"))))
    assert sorted((row["config_hash"], row["plus_config_hash"]) for row in rows) == [
        ("b1", "p1"),
        ("b2", "p2"),
        ("b2", "p3"),
    ]
    for config_hash in ("x1", "x2"):
        write_failure(RunKey("D", "X", "joint", "base", config_hash, 1), "no memory", tmp_path)
    assert {"X joint base seed 1 [x1]", "X joint base seed 1 [x2]"} < set(lines_of(printed(tmp_path, capsys)))


def test_where_all_runs_failed_the_table_says_so(tmp_path, capsys):
    write_failure(RunKey("D", "X", "joint", "base", "abc", 1), "no memory", tmp_path)
    assert lines_of(printed(tmp_path, capsys)) == {"X joint base seed 1": ["1", "failed", *["–"] * 5]}
    assert "no memory" in printed(tmp_path, capsys, "--format", "csv")
    assert "no records of 'E'" in refusal(
        table.main, ["--dataset", "E", "--ranked", "--results", str(tmp_path)], capsys
    )


def test_failures_stand_once_beside_several_versions_of_the_data(results, capsys):
    write([record("A", 5, 21.0, config_hash="other", fingerprint="sha256:2")], results)
    write_failure(RunKey("D", "X", "joint", "base", "abc", 1), "no memory", results)
    out = printed(results, capsys)
    assert out.count("X joint base seed 1 failed: no memory") == 1 and "on whichever version of the data" in out
    assert out.count("| A | ") == 2


@pytest.mark.parametrize("other", [["--gains"], ["--short"], ["--settings", "A+"], ["--compare"]])
def test_what_does_not_go_with_it_is_refused(other, results, capsys):
    message = refusal(table.main, ["--dataset", "D", "--ranked", "--results", results, *other], capsys)
    assert message.endswith("only for the tables of data sets; leave it out")
