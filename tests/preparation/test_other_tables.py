"""Excel, Parquet and pandas's HDF5 in table format give what the CSV of the same table gives."""

import pickle
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from stlora_ext.errors import UserError
from stlora_ext.preparation.options import ReadingOptions
from stlora_ext.preparation.readings import read_readings
from tests.support.preparing import prepared, refusal, whole

FIXTURES = Path(__file__).parent / "fixtures"  # written by pandas 3.1 with PyTables 3.11
TIMES = pd.date_range("2024-03-04", periods=60, freq="15min", name="time")
WIDE = pd.DataFrame({"north": np.arange(60) / 4, "süd": np.arange(60), "bridge": np.arange(60) / 2}, TIMES)
WIDE.loc[TIMES[3], "north"] = np.nan
LONG = WIDE.rename_axis(columns="sensor").stack().rename("value").reset_index()
NEEDED = {"parquet": "pyarrow", "xlsx": "openpyxl"}


def write(table, path, index):
    table.to_parquet(path, index=index) if path.suffix == ".parquet" else table.to_excel(path, index=index)
    return path


def holds(folder, meta, table=WIDE):
    assert (meta.sensor_ids, meta.start, meta.interval) == (list(table.columns), "2024-03-04T00:00:00", 15)
    assert np.array_equal(whole(folder, meta)[0], table.to_numpy(np.float32), equal_nan=True)


@pytest.mark.parametrize("suffix", NEEDED)
def test_a_column_per_sensor_and_a_row_per_reading_are_read(suffix, tmp_path):
    pytest.importorskip(NEEDED[suffix], reason=f"{NEEDED[suffix]} is not installed")
    path = tmp_path / f"raw.{suffix}"
    holds(tmp_path, prepared(tmp_path, write(WIDE, path, True)))
    holds(tmp_path, prepared(tmp_path, write(LONG, path, False)), WIDE[sorted(WIDE)])


@pytest.mark.parametrize("suffix", NEEDED)
def test_rows_that_are_sensors_are_turned_when_asked(suffix, tmp_path):
    pytest.importorskip(NEEDED[suffix], reason=f"{NEEDED[suffix]} is not installed")
    turned = WIDE.T.rename_axis("sensor").set_axis(TIMES.astype(str), axis=1)
    path = write(turned, tmp_path / f"raw.{suffix}", True)
    assert "--transpose" in refusal(tmp_path, path)
    holds(tmp_path, prepared(tmp_path, path, "--transpose"))


def test_the_times_of_parquet_keep_their_zone(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path = write(WIDE.tz_localize("UTC"), tmp_path / "raw.parquet", True)
    assert "--timezone" in refusal(tmp_path, path)
    assert prepared(tmp_path, path, "--timezone", "Asia/Tokyo").start == "2024-03-04T09:00:00+09:00"


def test_the_first_sheet_is_read_and_the_others_are_named(tmp_path, capsys):
    pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    with pd.ExcelWriter(tmp_path / "raw.xlsx") as book:
        WIDE.to_excel(book, sheet_name="readings")
        WIDE.to_excel(book, sheet_name="notes")
    prepared(tmp_path, tmp_path / "raw.xlsx")
    assert "the sheet 'readings' is read; not used: notes" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", NEEDED)
def test_without_its_package_one_line_says_what_to_install(suffix, tmp_path, monkeypatch):
    path = tmp_path / f"raw.{suffix}"
    path.write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, NEEDED[suffix], None)
    assert f"python -m pip install {NEEDED[suffix]}" in refusal(tmp_path, path)


@pytest.mark.parametrize("suffix", NEEDED)
@pytest.mark.parametrize("content", [b"", b"PAR1", b"PK\x03\x04", b"text"])
def test_a_damaged_file_ends_in_one_line(suffix, content, tmp_path):
    pytest.importorskip(NEEDED[suffix], reason=f"{NEEDED[suffix]} is not installed")
    (tmp_path / f"raw.{suffix}").write_bytes(content)
    assert f"cannot be read as .{suffix}" in refusal(tmp_path, tmp_path / f"raw.{suffix}")


@pytest.mark.parametrize("name", ["table_format", "table_format_columns"])
def test_a_frame_in_table_format_has_its_columns_in_order(name, tmp_path):
    holds(tmp_path, prepared(tmp_path, FIXTURES / f"{name}.h5"))


def changed(folder, **attributes):
    """The fixture with other attributes of its group."""
    path = Path(shutil.copy(FIXTURES / "table_format.h5", folder / "raw.h5"))
    with h5py.File(path, "r+") as file:
        for name, value in attributes.items():
            file["df"].attrs[name] = np.bytes_(value)
    return path


def test_the_zone_of_a_frame_in_table_format_is_seen(tmp_path):
    path = changed(tmp_path, info=pickle.dumps({"index": {"tz": "UTC"}}, protocol=0))
    assert "--timezone" in refusal(tmp_path, path)
    assert prepared(tmp_path, path, "--timezone", "Europe/Berlin").start == "2024-03-04T01:00:00+01:00"


class Runs:
    """Leaves a file behind where a reader unpickles it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["non_index_axes", "info", "values_cols"])
def test_nothing_in_the_attributes_of_a_frame_is_run(name, tmp_path):
    path = changed(tmp_path, **{name: pickle.dumps(Runs(tmp_path / "made"), protocol=0)})
    try:
        read_readings(path, ReadingOptions())
    except UserError as error:
        assert "nothing in it was run" in str(error)
    assert not (tmp_path / "made").exists()


def test_every_damage_to_a_frame_in_table_format_gives_a_series_or_one_line(tmp_path):
    whole_file, path = (FIXTURES / "table_format.h5").read_bytes(), tmp_path / "raw.h5"
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole_file)
        for _ in range(20):
            damaged[rng.integers(6000)] = rng.integers(256)
        path.write_bytes(bytes(damaged))
        try:
            read_readings(path, ReadingOptions())
        except UserError as error:
            assert "raw.h5" in str(error)


@pytest.mark.parametrize("above", [1, 3])
def test_a_title_above_the_names_of_a_sheet_is_refused_and_the_rest_read_once_it_is_deleted(above, tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    path = tmp_path / "raw.xlsx"
    WIDE.to_excel(path, startrow=above)
    book = openpyxl.load_workbook(path)
    book.active["A1"] = "Counts 2024"
    book.save(path)
    assert "delete what stands above" in refusal(tmp_path, path)
    book.active.delete_rows(1, above)
    book.save(path)
    holds(tmp_path, prepared(tmp_path, path))


def test_text_with_marks_between_thousands_is_refused_in_a_sheet_and_typed_decimals_are_read(tmp_path):
    pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    path = tmp_path / "raw.xlsx"
    counts = pd.DataFrame({"north": np.arange(900, 1500, 10), "south": np.arange(60)}, TIMES)
    counts.map(lambda count: f"{count:,}".replace(",", ".")).to_excel(path)
    assert "'1.000' may be 1000 or 1.000" in refusal(tmp_path, path)
    typed = counts.astype(object)
    typed.loc[TIMES[3], "north"] = 45.333
    typed.to_excel(path)
    holds(tmp_path, prepared(tmp_path, path), typed.astype(float))


def test_what_refuses_a_sheet_names_it_where_there_are_others(tmp_path):
    pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    path = tmp_path / "raw.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"legend": ["counts"]}).to_excel(book, sheet_name="About", index=False)
        WIDE.to_excel(book, sheet_name="Data")
    assert "raw.xlsx, sheet 'About'" in refusal(tmp_path, path)
