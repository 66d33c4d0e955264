"""What refuses a table names a remedy, and the table is read right once it is followed."""

import bz2
import gzip
import lzma

import pytest

from tests.preparation.test_tables import GERMAN, LONG, NAMES, TIMES, WIDE, apart, csv, holds
from tests.support.preparing import prepared, refusal


@pytest.mark.parametrize("title", ["Counts 2024", "Counts 2024;;;", "Counts 2024;veh/h;;"])
def test_a_title_above_the_names_is_refused_and_the_rest_read_once_it_is_deleted(title, tmp_path):
    path = csv(tmp_path, WIDE, sep=";")
    table = path.read_text()
    path.write_text(f"{title}\n{table}")
    assert "delete what stands above" in refusal(tmp_path, path)
    path.write_text(table)
    holds(tmp_path, prepared(tmp_path, path))


@pytest.mark.parametrize("other", [{}, {"lorries": 3}], ids=["one column of readings", "several"])
def test_a_column_of_sensors_of_an_unusual_name_is_refused_with_the_option_that_reads_it(other, tmp_path):
    table = LONG.rename(columns={"sensor": "Stelle 1", "value": "Kfz"}).assign(kind="loop", **other)
    path = csv(tmp_path, table, index=False)
    said = refusal(tmp_path, path)
    assert "column 'Stelle 1'" in said and "--sensor-column 'Stelle 1'" in said
    more = ("--channel", "Kfz") if other else ()
    holds(tmp_path, prepared(tmp_path, path, "--sensor-column", "Stelle 1", *more), sorted(NAMES), WIDE[sorted(NAMES)])


def test_a_german_date_beside_a_time_of_day_is_refused_as_a_time_and_joined_as_the_refusal_says(tmp_path):
    table = apart(TIMES.strftime("%H:%M")).rename(columns={"hour": "Uhrzeit"})
    table["date"] = TIMES.strftime("%d.%m.%Y")
    table["date"], table["north"] = table.pop("date"), table.pop("north")  # neither of the first two columns
    path = csv(tmp_path, table, index=False)
    said = refusal(tmp_path, path, "--time-column", "date")
    assert f"'{TIMES[0]:%d.%m.%Y}' is no time" in said and "--time-format" in said
    assert "--time-column DATE HOUR" in refusal(tmp_path, path, "--time-column", "date", "--time-format", GERMAN)
    meta = prepared(tmp_path, path, "--time-column", "date", "Uhrzeit", "--time-format", GERMAN)
    holds(tmp_path, meta, ["bridge", "south", "north"], WIDE[["bridge", "south", "north"]])


def test_a_row_of_units_is_refused_as_a_row_without_a_time_and_the_rest_read_once_it_is_dropped(tmp_path):
    path = csv(tmp_path, WIDE)
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, ",veh/h,veh/h,veh/h", *rows]))
    assert "row 1: the time is empty" in refusal(tmp_path, path)
    path.write_text("\n".join([header, *rows]))
    holds(tmp_path, prepared(tmp_path, path))


@pytest.mark.parametrize("cell", ["12 %", "1.234.567", "1,5,3"])
def test_text_that_looks_like_numbers_is_no_name_of_a_sensor(cell, tmp_path):
    said = refusal(tmp_path, csv(tmp_path, WIDE.assign(north=cell)))
    assert f"row 1, column 'north': '{cell}' is no number" in said and "--sensor-column" not in said


def test_the_sensors_of_a_table_without_a_header_take_their_names_from_ids_or_a_graph_of_names(tmp_path):
    path = csv(tmp_path, WIDE, header=False)
    (tmp_path / "ids.txt").write_text("\n".join(NAMES))
    (tmp_path / "edges.csv").write_text("from,to\nnorth,south\n")
    assert "give their order with --ids" in refusal(tmp_path, path, "--graph", tmp_path / "edges.csv")
    holds(tmp_path, prepared(tmp_path, path, "--graph", tmp_path / "edges.csv", "--ids", tmp_path / "ids.txt"))
    (tmp_path / "places.csv").write_text("".join(f"{name},52.5,13.{i}\n" for i, name in enumerate(NAMES)))
    holds(tmp_path, prepared(tmp_path, path, "--positions", tmp_path / "places.csv", "--neighbors", "1"))
    assert prepared(tmp_path, path).sensor_ids == ["0", "1", "2"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bzip2", "xz"])
@pytest.mark.parametrize("name", ["mine.csv", "mine.csv.gz"])
def test_a_compressed_table_is_to_be_unpacked(name, pack, tmp_path):
    (tmp_path / name).write_bytes(pack(b"time,a\n2024-03-04,1\n"))
    assert f"{name} is compressed: unpack it" in refusal(tmp_path, tmp_path / name)
