"""Tables in the shapes that people keep give the readings of the plain table, each under its sensor and its time."""

import numpy as np
import pandas as pd
import pytest

from tests.support.commands import SHARED
from tests.support.preparing import prepared, refusal, whole

STEPS = 96
TIMES = pd.date_range("2024-03-04 06:00", periods=STEPS, freq="15min", name="time")
NAMES = ["north", "bridge", "south"]
WIDE = pd.DataFrame(np.random.default_rng(0).uniform(20, 80, (STEPS, 3)).round(1), TIMES, NAMES)
LONG = WIDE.rename_axis(columns="sensor").stack().rename("value").reset_index()
GERMAN = "%d.%m.%Y %H:%M"
WHEN = ("--start", "2024-03-04T06:00", "--interval", "15")


def csv(folder, table, **options):
    table.to_csv(folder / "raw.csv", **options)
    return folder / "raw.csv"


def holds(folder, meta, names=NAMES, expected=WIDE):
    """Assert that a prepared set holds ``expected``, in the columns ``names``."""
    values, _ = whole(folder, meta)
    assert meta.sensor_ids == list(names) and meta.start == "2024-03-04T06:00:00" and meta.interval == 15
    assert np.array_equal(values, expected.to_numpy(np.float32), equal_nan=True)


def apart(hours):
    """The table with its date and its hour in columns of their own."""
    table = WIDE.reset_index(drop=True)
    table.insert(0, "hour", hours)
    table.insert(0, "date", TIMES.strftime("%Y-%m-%d"))
    return table


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, ()),
        ({"sep": ";", "decimal": ","}, ("separated by semicolons", "decimals stand after a comma")),
        ({"sep": "\t", "encoding": "utf-16"}, ("separated by tabs",)),
        ({"decimal": ","}, ("decimals stand after a comma",)),
        ({"encoding": "utf-8-sig", "lineterminator": "\r\n"}, ()),
    ],
)
def test_separators_decimals_and_encodings_are_told_from_the_file(options, said, tmp_path, capsys):
    holds(tmp_path, prepared(tmp_path, csv(tmp_path, WIDE, **options)))
    text = capsys.readouterr().out
    assert all(part in text for part in said)


def test_a_separator_too_many_at_the_end_of_every_row_makes_no_sensor(tmp_path):
    path = csv(tmp_path, WIDE, sep=";")
    path.write_text("".join(f"{line};\n" for line in path.read_text().splitlines()))
    holds(tmp_path, prepared(tmp_path, path))


def test_points_in_a_table_of_decimal_commas_are_refused(tmp_path):
    path = csv(tmp_path, WIDE, sep=";", decimal=",")
    lines = path.read_text().splitlines()
    lines[5] = lines[5].replace(",", ".")
    path.write_text("\n".join(lines))
    message = refusal(tmp_path, path)
    assert "raw.csv, row 5, column 'north'" in message and "decimal comma" in message


@pytest.mark.parametrize("time_format", [None, GERMAN])
def test_a_first_row_with_a_time_like_those_below_holds_readings(time_format, tmp_path, capsys):
    table = WIDE if time_format is None else WIDE.set_axis(TIMES.strftime(time_format))
    options = () if time_format is None else ("--time-format", time_format)
    holds(tmp_path, prepared(tmp_path, csv(tmp_path, table, header=False), *options), "012")
    assert "the first row is read as readings" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("first", "named"),
    [
        ("773869,767541,767542", True),
        ("0,1,2", True),
        ("1,2,3", True),
        ("40,40,60", False),
        ("40.5,30,60", False),
        ("30,50,40", False),
        ("30,,40", False),
        ("-1,50,40", False),
    ],
)
def test_a_first_row_of_numbers_names_sensors_unless_it_can_be_readings(first, named, tmp_path, capsys):
    path = csv(tmp_path, WIDE, header=False, index=False)
    path.write_text(f"{first}\n{path.read_text()}")
    meta = prepared(tmp_path, path, *WHEN)
    assert (meta.sensor_ids, meta.num_steps) == ((first.split(","), 96) if named else (list("012"), 97))
    assert f"--header {'no' if named else 'yes'}" in capsys.readouterr().out


def test_the_header_option_overrules_what_the_cells_tell(tmp_path):
    path = csv(tmp_path, WIDE, header=False, index=False)
    path.write_text(f"30,50,40\n{path.read_text()}")
    assert prepared(tmp_path, path, *WHEN, "--header", "yes").sensor_ids == ["30", "50", "40"]


def test_the_published_speeds_without_times_have_their_ids_as_names(tmp_path):
    path = SHARED / "data" / "published" / "los_speed-400.csv"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    assert "--start" in refusal(tmp_path, path)
    meta = prepared(tmp_path, path, "--start", "2012-03-01", "--interval", "5")
    values, _ = whole(tmp_path, meta)
    assert (meta.num_steps, meta.num_nodes, meta.sensor_ids[:2]) == (399, 207, ["773869", "767541"])
    assert values[0, 0] == np.float32(64.375)


@pytest.mark.parametrize("name", ["time", "t", "Time step"])
def test_a_column_that_numbers_the_rows_is_no_time_and_no_sensor(name, tmp_path):
    path = csv(tmp_path, WIDE.reset_index(drop=True), index_label=name)
    assert "--start" in refusal(tmp_path, path)
    holds(tmp_path, prepared(tmp_path, path, *WHEN))


@pytest.mark.parametrize("index", [True, False])
def test_a_table_without_times_takes_its_start_and_interval_and_no_row_numbers(index, tmp_path, capsys):
    path = csv(tmp_path, WIDE.reset_index(drop=True), index=index)
    assert "--start" in refusal(tmp_path, path)
    holds(tmp_path, prepared(tmp_path, path, *WHEN))
    assert ("numbers its rows" in capsys.readouterr().out) == index


@pytest.mark.parametrize(
    ("table", "options"),
    [
        (apart(TIMES.strftime("%H:%M")), ()),
        (apart(TIMES.hour + TIMES.minute / 60), ()),
        (apart(TIMES.strftime("%H:%M:%S")).rename(columns={"date": "Date", "hour": "Time"}), ()),
        (
            apart(TIMES.strftime("%I:%M %p")).assign(date=TIMES.strftime("%m/%d/%Y")),
            ("--time-format", "%m/%d/%Y %I:%M %p"),
        ),
        (
            apart(TIMES.strftime("%H:%M")).rename(columns={"date": "Tag", "hour": "Uhr"}),
            ("--time-column", "Tag", "Uhr"),
        ),
        (
            apart(TIMES.strftime("%H:%M")).assign(date=TIMES.strftime("%d.%m.%Y")),
            ("--time-format", GERMAN, "--time-column", "date", "hour"),
        ),
        (apart(TIMES.strftime("%H:%M")).assign(date=TIMES.strftime("%d.%m.%Y")), ("--time-format", GERMAN)),
        (
            apart(TIMES.hour + TIMES.minute / 60).assign(date=TIMES.strftime("%d.%m.%Y")),
            ("--time-format", "%d.%m.%Y"),
        ),
        (
            pd.concat(
                [pd.DataFrame({part: getattr(TIMES, part) for part in ("year", "month", "day", "hour", "minute")}),
                 WIDE.reset_index(drop=True)], axis=1,
            ),
            (),
        ),
    ],
    ids=["HH:MM", "hours", "HH:MM:SS", "AM and PM", "named", "format", "recognised", "format of the date", "parts"],
)  # fmt: skip
def test_date_and_hour_in_columns_of_their_own_are_one_time(table, options, tmp_path, capsys):
    holds(tmp_path, prepared(tmp_path, csv(tmp_path, table, index=False), *options))
    assert "times are put together from the columns" in capsys.readouterr().out


def test_hour_24_is_midnight_of_the_next_day(tmp_path):
    times = pd.date_range("2024-03-04 01:00", periods=72, freq="h")
    table = pd.DataFrame({"date": (times - pd.Timedelta("1h")).strftime("%Y-%m-%d"), "hour": [*range(1, 25)] * 3})
    meta = prepared(tmp_path, csv(tmp_path, table.assign(a=range(72)), index=False))
    assert (meta.start, meta.interval, meta.num_steps) == ("2024-03-04T01:00:00", 60, 72)


SHUFFLED = LONG.sample(frac=1, random_state=0)


@pytest.mark.parametrize(
    ("table", "options"),
    [
        (SHUFFLED, ()),
        (LONG.rename(columns={"time": "zeitpunkt", "sensor": "messstelle", "value": "wert"}), ()),
        (SHUFFLED[["value", "sensor", "time"]], ()),
        (LONG.set_axis(["Time", "Station ID", "Value"], axis=1), ()),
        (LONG.assign(**{f"extra{k}": "text" for k in range(9)}), ()),
        (LONG.assign(quality="good", lat=52.5), ()),
        (LONG.set_axis(["time", "who", "what"], axis=1), ("--sensor-column", "who", "--value-column", "what")),
        (LONG.assign(share=LONG["value"] / 100), ("--value-column", "value")),
        (LONG.assign(share=LONG["value"] / 100), ("--channel", "0")),
    ],
)
def test_a_row_per_reading_becomes_a_column_per_sensor(table, options, tmp_path, capsys):
    path = csv(tmp_path, table, index=False)
    holds(tmp_path, prepared(tmp_path, path, *options), sorted(NAMES), WIDE[sorted(NAMES)])
    assert "a row per reading" in capsys.readouterr().out


def test_the_numbers_of_the_rows_are_no_reading_of_a_long_table(tmp_path, capsys):
    holds(tmp_path, prepared(tmp_path, csv(tmp_path, LONG)), sorted(NAMES), WIDE[sorted(NAMES)])
    assert "not used: a column without a name" in capsys.readouterr().out


@pytest.mark.parametrize("names", [("sensor", "value"), ("detektor", "wert")])
def test_sensors_that_are_numbers_keep_their_zeros_and_stand_in_order(names, tmp_path):
    ids = {"north": "0010", "bridge": "002", "south": "100"}
    table = LONG.assign(sensor=LONG["sensor"].map(ids)).set_axis(["time", *names], axis=1)
    holds(
        tmp_path,
        prepared(tmp_path, csv(tmp_path, table, index=False)),
        ["002", "0010", "100"],
        WIDE[["bridge", "north", "south"]],
    )


def test_a_long_table_whose_repeated_times_were_dropped_is_one_sensor_under_its_name(tmp_path):
    meta = prepared(tmp_path, csv(tmp_path, LONG.drop_duplicates("time"), index=False))
    assert meta.sensor_ids == ["north"]
    numbered = LONG.assign(sensor=LONG["sensor"].map({"north": 7, "bridge": 8, "south": 9}))
    assert prepared(tmp_path, csv(tmp_path, numbered.drop_duplicates("time"), index=False)).sensor_ids == ["7"]


def test_readings_that_a_long_table_lacks_are_missing(tmp_path):
    table = LONG.drop(index=[4, 5])  # the second time's bridge and south
    expected = WIDE.copy()
    expected.iloc[1, 1:] = np.nan
    meta = prepared(tmp_path, csv(tmp_path, table, index=False))
    holds(tmp_path, meta, sorted(NAMES), expected[sorted(NAMES)])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: pd.concat([table, table.tail(1)]), ("row 289: sensor 'south' has a second reading at 2024-03",)),
        (lambda table: table.assign(sensor=table["sensor"].mask(table.index == 6)), ("row 7: the sensor's name",)),
        (lambda table: table.assign(share=0.5), ("has 2 channels: choose one with --channel 0 (value), 1 (share)",)),
        (lambda table: table.assign(value="many"), ("no column of numbers", "--value-column")),
        (
            lambda table: table.assign(time=table["time"] + pd.to_timedelta(np.arange(288) * 7, unit="s")).assign(
                sensor=[f"s{k}" for k in range(288)]
            ),
            ("expected sensors that are read at the same times",),
        ),
    ],
)
def test_a_long_table_that_is_ambiguous_is_refused(change, said, tmp_path):
    message = refusal(tmp_path, csv(tmp_path, change(LONG), index=False))
    assert all(part in message for part in said)


def test_a_column_that_is_not_there_is_named_with_the_nearest(tmp_path):
    path = csv(tmp_path, LONG, index=False)
    assert "did you mean 'sensor'?" in refusal(tmp_path, path, "--sensor-column", "sensr")


def test_libcitys_states_are_read_with_their_channels_and_local_times(tmp_path, capsys):
    states = pd.DataFrame(
        {
            "dyna_id": range(len(LONG)),
            "type": "state",
            "time": LONG["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "entity_id": LONG["sensor"],
            "traffic_flow": LONG["value"] * 3,
            "traffic_speed": LONG["value"],
        }
    )
    ordered = pd.concat([states[states["entity_id"] == name] for name in NAMES])
    path = csv(tmp_path, ordered, index=False).rename(tmp_path / "SET.dyna")
    assert "0 (traffic_flow), 1 (traffic_speed)" in refusal(tmp_path, path)
    holds(tmp_path, prepared(tmp_path, path, "--channel", "traffic_speed"))
    text = capsys.readouterr().out
    assert "not used: dyna_id, type, traffic_flow" in text and "times end in Z" in text


def test_a_table_whose_columns_are_times_is_refused_and_turned_when_asked(tmp_path):
    path = csv(tmp_path, WIDE.T.rename_axis("sensor"))
    assert "--transpose" in refusal(tmp_path, path)
    holds(tmp_path, prepared(tmp_path, path, "--transpose"))


def test_a_table_without_times_and_more_columns_than_rows_is_refused_unless_it_is_meant(tmp_path):
    table = pd.DataFrame(
        np.random.default_rng(0).uniform(1, 9, (40, 60)).round(2), columns=[f"s{k}" for k in range(60)]
    )
    path = csv(tmp_path, table, index=False)
    assert "--no-transpose" in refusal(tmp_path, path, *WHEN)
    assert prepared(tmp_path, path, *WHEN, "--no-transpose").num_nodes == 60


def test_rows_that_are_sensors_are_turned_when_asked_with_their_names(tmp_path):
    values = np.random.default_rng(0).uniform(1, 9, (4, 60)).round(2)
    path = csv(tmp_path, pd.DataFrame(values, [f"s{k}" for k in range(4)]))
    assert "--transpose" in refusal(tmp_path, path, *WHEN)
    meta = prepared(tmp_path, path, *WHEN, "--transpose")
    assert np.array_equal(whole(tmp_path, meta)[0], values.T.astype(np.float32))


@pytest.mark.parametrize(
    ("null", "said"), [((), "read as readings; --null 0"), (("--null", "0"), "0 is the null value")]
)
def test_zeros_are_counted_and_said_to_be_readings_or_missing(null, said, tmp_path, capsys):
    table = WIDE.copy()
    table.iloc[3:9, 1] = 0
    prepared(tmp_path, csv(tmp_path, table), *null)
    line = next(line for line in capsys.readouterr().out.splitlines() if "zeros:" in line)
    assert "6 (2.08 % of all cells)" in line and said in line


def test_an_option_about_tables_is_refused_for_an_array(tmp_path):
    np.save(tmp_path / "raw.npy", WIDE.to_numpy())
    assert "--sensor-column a tells how a table" in refusal(tmp_path, tmp_path / "raw.npy", "--sensor-column", "a")
