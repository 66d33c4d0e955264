"""Marks between thousands are never taken for decimal points: tables and lists that may hold them are refused."""

import numpy as np
import pandas as pd
import pytest

from tests.preparation.with_graph import refusal as graph_refusal
from tests.preparation.with_graph import text
from tests.support.preparing import prepared, refusal, whole
from tests.support.raw_files import NAMES

TIMES = pd.date_range("2024-03-04", periods=700, freq="15min", name="time")
COUNTS = pd.DataFrame(np.random.default_rng(0).integers(10, 2400, (len(TIMES), 2)), TIMES, ["north", "south"])


def marked(mark, table=COUNTS, digits=0):
    """The table as text, with a mark between thousands."""
    return table.map(lambda count: f"{count:,.{digits}f}".replace(",", mark))


@pytest.mark.parametrize("late", [False, True], ids=["from the start", "beyond the rows that tell what columns are"])
@pytest.mark.parametrize(
    ("mark", "separator"), [(",", ","), (",", ";"), (",", "\t"), (".", ";"), (".", "\t")], ids=repr
)
def test_whole_numbers_with_marks_between_thousands_are_refused(mark, separator, late, tmp_path):
    table = COUNTS.copy()
    if late:
        table.iloc[:500] %= 1000
    marked(mark, table).to_csv(tmp_path / "raw.csv", sep=separator)
    said = refusal(tmp_path, tmp_path / "raw.csv")
    assert "without marks between thousands" in said and f"thousands='{mark}'" in said
    read = pd.read_csv(tmp_path / "raw.csv", sep=separator, thousands=mark, index_col=0)
    read.to_csv(tmp_path / "mended.csv")
    values, _ = whole(tmp_path, prepared(tmp_path, tmp_path / "mended.csv"))
    assert np.array_equal(values, table.to_numpy(np.float32))


def test_a_row_per_reading_with_marks_between_thousands_is_refused(tmp_path):
    long = marked(".").rename_axis(columns="sensor").stack().rename("value").reset_index()
    long.to_csv(tmp_path / "raw.csv", sep=";", index=False)
    assert "without marks between thousands" in refusal(tmp_path, tmp_path / "raw.csv")


@pytest.mark.parametrize("digits", [1, 2, 3, 4])
@pytest.mark.parametrize(("decimal", "separator"), [(",", ";"), (".", ";"), (".", ","), (",", "\t")])
def test_decimals_of_any_length_stay_decimals(decimal, separator, digits, tmp_path):
    table = COUNTS / 7
    written = table.map(lambda reading: f"{reading:.{digits}f}".replace(".", decimal))
    written.to_csv(tmp_path / "raw.csv", sep=separator)
    values, _ = whole(tmp_path, prepared(tmp_path, tmp_path / "raw.csv"))
    assert np.array_equal(values, table.round(digits).to_numpy(np.float32))


@pytest.mark.parametrize("option", ["--graph", "--distances"])
def test_lengths_of_edges_with_marks_between_thousands_are_refused(option, tmp_path):
    path = text(tmp_path / "e.csv", "from;to;cost", "north;south;350", "south;east;1.200", "east;north;2.100")
    assert "'1.200' may be 1200 or 1.200" in graph_refusal(tmp_path, NAMES, option, path)
