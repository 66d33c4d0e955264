"""What is fixed for a known data set, and what the user says of their own."""

import argparse
import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from stlora_ext.data.catalog import CATALOG
from stlora_ext.data.local_time import check_timezone
from stlora_ext.data.names import check_dataset_name
from stlora_ext.errors import UserError
from stlora_ext.preparation.series import in_float32
from stlora_ext.preparation.timeline import parse_interval, parse_start

# the hour that daylight saving skips has no rows in the official file
_KNOWN_GAPS = {"PEMS-BAY": ("2017-03-12T01:55", "2017-03-12T03:00")}


@dataclass(frozen=True)
class Recipe:
    """How one data set is prepared. None means that the raw file has to say it.

    Attributes:
        name: Folder under ``datasets/``.
        shape: Expected [T, N]; None: any.
        start: Time of the first row.
        interval: Seconds per row.
        channel: Number or name of the channel of ``[T, N, C]``.
        null_val: The reading that means missing.
        train_ratio: Share of windows for training.
        domain: What is measured.
        known_gap: Times around a gap that stays.
        known: Whether it is a catalog set.
        timezone: Where times are local time.
    """

    name: str
    shape: tuple[int, int] | None
    start: "np.datetime64[datetime] | None"
    interval: int | None
    channel: str | None
    null_val: float | None
    train_ratio: float
    domain: str
    known_gap: tuple[str, str] | None = None
    known: bool = False
    timezone: str | None = None


def recipe_for(args: argparse.Namespace) -> Recipe:
    """Return the recipe of a catalog set, or the one that the options describe.

    Raises:
        UserError: On an option that contradicts the catalog, or a value out of range.
    """
    name = check_dataset_name(args.name)
    entry = CATALOG.get(name)
    if entry is None:
        return Recipe(
            name,
            None,
            None if args.start is None else parse_start(args.start),
            None if args.interval is None else parse_interval(args.interval),
            args.channel,
            _null_val(args.null),
            0.7 if args.train_ratio is None else args.train_ratio,
            args.domain or "unknown",
            timezone=None if args.timezone is None else check_timezone(args.timezone),
        )
    if entry.kind == "simulated":
        raise UserError(f"{name} is simulated, nothing is prepared from raw files: python datasets/simulate.py {name}")
    fixed = {
        "--start": args.start,
        "--interval": args.interval,
        "--null": args.null,
        "--channel": args.channel,
        "--train-ratio": args.train_ratio,
        "--domain": args.domain,
        "--timezone": args.timezone,
    }
    for option, value in fixed.items():
        if value is not None:
            raise UserError(
                f"{option} {value} contradicts {name}, for which it is fixed: leave it out, or prepare "
                "under another NAME"
            )
    return Recipe(
        name,
        None if args.allow_other_shape else (entry.num_steps, entry.num_nodes),
        parse_start(entry.start),
        60 * entry.interval,
        "0",
        entry.null_val,
        entry.train_ratio,
        entry.domain,
        _KNOWN_GAPS.get(name),
        known=True,
    )


def _null_val(text: str | None) -> float | None:
    try:
        value = None if text is None else float(text)
    except ValueError:
        value = math.inf
    if value is not None and not in_float32(value):
        raise UserError(
            f"--null {text}: expected a number such as 0, or nan; float32 holds at most "
            f"{np.finfo(np.float32).max:.1e} in size"
        )
    return value
