"""What a user says about a file of readings: the options that prepare.py and predict.py share."""

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stlora_ext.data.local_time import check_timezone
from stlora_ext.errors import UserError
from stlora_ext.preparation.timeline import parse_start

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np


@dataclass(frozen=True)
class ReadingOptions:
    """How a file of readings is read. None means that the file says it, or has none.

    Attributes:
        channel: Number or name of the channel.
        time_columns: Columns that hold the times: one, or a date and an hour.
        sensor_column: Column that names the sensor of each row.
        value_column: Column that holds the reading of each row.
        header: Whether the first row of a table names its columns.
        time_format: How times are written, in strptime's notation.
        timezone: Where times are local time.
        transpose: Whether rows are sensors; False: they are times, whatever the shape looks like.
        start: Local time of the first row, where the file has no times.
        dataset: The data set that fixes the time zone, or that there is none; None: the user does.
    """

    channel: str | None = None
    time_columns: tuple[str, ...] = ()
    sensor_column: str | None = None
    value_column: str | None = None
    header: bool | None = None
    time_format: str | None = None
    timezone: str | None = None
    transpose: bool | None = None
    start: "np.datetime64[datetime] | None" = None
    dataset: str | None = None

    def given(self) -> dict[str, object]:
        """Return the options that describe a table, as they were written, without those that weren't."""
        written = {
            "--time-column": " ".join(self.time_columns) or None,
            "--sensor-column": self.sensor_column,
            "--value-column": self.value_column,
            "--header": None if self.header is None else "yes" if self.header else "no",
            "--time-format": self.time_format,
        }
        return {option: value for option, value in written.items() if value is not None}


def add_reading_options(group: argparse._ArgumentGroup) -> None:
    """Add the options to a command line; ``--start`` and ``--timezone`` are each command's own."""
    add = group.add_argument
    add("--channel", metavar="C", help="number (from 0) or name of the channel, where there are several")
    add("--time-column", nargs="+", metavar="NAME", default=[], help="column of times, or those of date and hour")
    add("--sensor-column", metavar="NAME", help="column that names the sensor, in a table with a row per reading")
    add("--value-column", metavar="NAME", help="column of the reading, in a table with a row per reading")
    add("--header", choices=["yes", "no"], help="whether the first row names the columns (default: told by its cells)")
    add("--time-format", metavar="FORMAT", help="how times are written, e.g. '%%d.%%m.%%Y %%H:%%M' (default: ISO 8601)")
    add(
        "--transpose",
        action=argparse.BooleanOptionalAction,
        help="rows are sensors and columns times; --no-transpose: rows are times, however many columns there are",
    )


def add_input_options(parser: argparse.ArgumentParser, fill_gaps: str) -> None:
    """Add how a command in use reads its ``--input``, whose sensors, interval and time zone are the data set's.

    Args:
        parser: The command's.
        fill_gaps: What ``--fill-gaps`` does, for the help.
    """
    group = parser.add_argument_group("how --input is read (sensors, interval and time zone are the data set's)")
    group.add_argument("--start", metavar="TIME", help="time of the first row, where the file has none")
    add_reading_options(group)
    group.add_argument("--fill-gaps", action="store_true", help=fill_gaps)


def reading_options(args: argparse.Namespace) -> ReadingOptions:
    """Return what a command line says of a file of readings.

    Raises:
        UserError: On a start or a time zone that is none, or a sensor column without its value column.
    """
    if args.value_column is not None and args.channel is not None:
        raise UserError(f"--channel {args.channel} and --value-column {args.value_column} say the same: leave one out")
    return ReadingOptions(
        args.channel,
        tuple(args.time_column),
        args.sensor_column,
        args.value_column,
        None if args.header is None else args.header == "yes",
        args.time_format,
        None if getattr(args, "timezone", None) is None else check_timezone(args.timezone),
        args.transpose,
        None if args.start is None else parse_start(args.start),
    )
