"""Readings as CSV: cells, times, sensors, and what isn't a table at all."""

import numpy as np

from tests.bad_input.row import Row
from tests.support.raw_files import NAMES, STEPS, table, write_csv

NUMBER = "an empty cell for a missing reading"
FINITE = "expected a finite number, or NaN where it is missing"


def cell(text, column="south", row=7):
    """Readings with one other cell."""
    return lambda folder: ["--raw", write_csv(folder / "raw.csv", *table(), cells={(row, column): text})]


def rows(order, *options):
    """Readings in another order of rows."""

    def make(folder):
        times, values = table()
        return ["--raw", write_csv(folder / "raw.csv", times[order], values[order]), *options]

    return make


def text(content, encoding="utf-8"):
    """A file that holds ``content``."""

    def make(folder):
        (folder / "raw.csv").write_bytes(content.encode(encoding))
        return ["--raw", folder / "raw.csv"]

    return make


def readings(change, names=NAMES, times=None, *options):
    """Readings that went through ``change``."""

    def make(folder):
        usual, values = table()
        values = change(values)
        moments = usual if times is None else times(usual)
        return ["--raw", write_csv(folder / "raw.csv", moments[: len(values)], values, names), *options]

    return make


def lost(first, last):
    """Readings that are missing from one row to another."""

    def change(values):
        values[first:last] = np.nan
        return values

    return change


def shift(row, minutes):
    """One time is later."""

    def times(usual):
        usual[row] += np.timedelta64(minutes, "m")
        return usual

    return times


def gap(folder):
    """Three rows are missing in two places, and one is far away."""
    times, values = table()
    times[-1] += np.timedelta64(400, "D")
    return ["--raw", write_csv(folder / "raw.csv", times, values), "--fill-gaps"]


ROWS = (
    Row("text in a cell", cell("n.a."), ("raw.csv, row 7, column 'south': 'n.a.' is no number", NUMBER), process=True),
    Row("a truth value in a cell", cell("True"), ("row 7, column 'south': 'True' is no number", NUMBER)),
    Row("a number too many", cell("1,2"), ("row 7: 5 cells, the header has 4: expected as many", "is an empty cell")),
    Row("an infinite reading", cell("inf"), ("row 7, sensor 'south': the reading is infinite", FINITE)),
    Row("beyond float32", cell("1e300"), ("row 7, sensor 'south': the reading is infinite (or beyond float32)",)),
    Row(
        "a huge value",
        cell("-1e30"),
        ("row 7, sensor 'south': the reading -1e+30 is too large", "at most 1e+18 in size, or NaN where it is missing"),
    ),
    Row("no time", cell("yesterday", "time"), ("row 7: 'yesterday' is no time: expected", "--time-format")),
    Row("an empty time", cell("", "time"), ("raw.csv, row 7: the time is empty: expected one in every row",)),
    Row("an endless cell", cell("9" * 100_000, "time"), ("raw.csv, row 7: the time is the bare number '99",)),
    Row("a cell that steers the terminal", cell("\x1b[2J"), (r"row 7, column 'south': '\x1b[2J' is no number",)),
    Row("a bare number as time", cell("1709532000", "time"), ("row 7: the time is the bare number '1709532000'",)),
    Row(
        "an offset from UTC",
        cell("2024-03-04T07:30+05:00", "time"),
        ("row 7: the time '2024", "--timezone Europe/Berlin"),
    ),
    Row(
        "one time with an offset in a time zone",
        lambda folder: [*cell("2024-03-04T07:30+05:00", "time")(folder), "--timezone", "UTC"],
        ("row 7: the time '2024-03-04T07:30+05:00' has an offset", "expected all with an offset or all without"),
    ),
    Row(
        "a time zone that is none",
        lambda folder: [*cell("1")(folder), "--timezone", "Europe/Berln"],
        ("'Europe/Berln' is no time zone", "did you mean 'Europe/Berlin'?"),
    ),
    Row(
        "a repeated time",
        rows([0, 1, 1, *range(2, STEPS)], "--fill-gaps"),
        ("row 3 repeats the time 2024-03-04 06:15 of the row before", "sort the rows and drop repeated ones"),
    ),
    Row(
        "shuffled times",
        rows([0, 2, 1, *range(3, STEPS)]),
        ("row 3 (2024-03-04 06:15) is earlier than 2024-03-04 06:30 of the row before", "sort the rows"),
    ),
    Row(
        "a gap",
        rows([*range(50), *range(52, STEPS)]),
        (
            "1 gaps in time, 2 rows missing, the first after 2024-03-04 18:15",
            "expected a row every 15 minutes",
            "--fill-gaps",
        ),
    ),
    Row(
        "a gap longer than the series",
        gap,
        ("more rows are missing than there are (120)", "cut the data at the gaps or mend the times"),
    ),
    Row(
        "times off the grid",
        readings(lambda v: v, NAMES, shift(40, 1)),
        ("row 41 (2024-03-04 16:01) is 16 minutes after", "resample the data"),
    ),
    Row(
        "an interval of 7 minutes",
        lambda folder: ["--raw", write_csv(folder / "raw.csv", *table(interval=7))],
        ("an interval of 7 minutes does not divide a day", "expected 1, 5, 15"),
    ),
    Row(
        "too short for a window",
        readings(lambda v: v[:20]),
        ("20 rows give the windows", "input 12, output 12", "bring a longer series"),
    ),
    Row("one row", readings(lambda v: v[:1]), ("raw.csv has 1 rows: expected a longer series",)),
    Row("a header alone", text("time,a,b\n"), ("raw.csv has a header and no rows: expected one row per time step",)),
    Row("an empty file", text(""), ("raw.csv is empty: expected a column of times and at least one sensor",)),
    Row("spaces", text("time a b\n2024-01-01 1 2\n"), ("has the columns time a b", "by commas, semicolons or tabs")),
    Row("another encoding", text("time,süd\n2024-01-01,1\n", "latin1"), ("cannot be read as CSV", "text in UTF-8")),
    Row(
        "a sensor twice",
        readings(lambda v: v, ["north", "east", "north"]),
        ("raw.csv names sensor 'north' twice", "rename or drop one"),
    ),
    Row(
        "a sensor without a name",
        readings(lambda v: v, ["north", "", "east"]),
        ("raw.csv has a sensor without a name", "name it, or drop the column"),
    ),
    Row("no reading at all", readings(lost(0, STEPS)), ("the train split forecast, hold no", "check --null")),
    Row(
        "a split without readings",
        readings(lost(90, STEPS)),
        ("rows 91 to 120, which the windows of the test split forecast", "a series with fewer gaps"),
    ),
    Row("missing readings", readings(lost(3, 6)), ("missing:      2.50 % (NaN)",), accepted=True),
    Row(
        "negative flow",
        readings(lambda v: v - 2),
        ("readings:     -0.9", "below 0 in 3 sensors, the lowest of ", "(--null -0.9"),
        accepted=True,
        process=True,
    ),
    Row("one sensor", readings(lambda v: v[:, :1], ["alone"]), ("120 rows x 1 sensors",), accepted=True),
    Row(
        "dead, constant and equal sensors",
        readings(
            lambda v: np.column_stack([v[:, 0], v[:, 0], np.full(STEPS, 3), np.full(STEPS, np.nan)]),
            ["a", "b", "c", "d"],
        ),
        ("constant:     1 sensors (c)", "without data: 1 sensors (d)", "duplicated:   1 sensors (b)"),
        accepted=True,
    ),
)
