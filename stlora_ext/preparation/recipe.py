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
        test_ratio: Share of windows for testing.
        neighbors: Neighbours of each sensor, where the set's graph comes from positions.
        whole: [T, N] of a raw file that may be brought instead, of which the first rows are taken.
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
    test_ratio: float = 0.2
    neighbors: int | None = None
    whole: tuple[int, int] | None = None


def recipe_for(args: argparse.Namespace) -> Recipe:
    """Return the recipe of a catalog set, or the one that the options describe.

    Raises:
        UserError: On an option that contradicts the catalog, or a value out of range.
    """
    name = check_dataset_name(args.name)
    entry = CATALOG.get(name)
    if entry is None:
        train_ratio, test_ratio = _shares(args)
        return Recipe(
            name,
            None,
            None if args.start is None else parse_start(args.start),
            None if args.interval is None else parse_interval(args.interval),
            args.channel,
            _null_val(args.null),
            train_ratio,
            args.domain or "unknown",
            timezone=None if args.timezone is None else check_timezone(args.timezone),
            test_ratio=test_ratio,
        )
    if entry.kind == "simulated":
        raise UserError(f"{name} is simulated, nothing is prepared from raw files: python datasets/simulate.py {name}")
    fixed = {
        "--start": args.start,
        "--interval": args.interval,
        "--null": args.null,
        "--channel": args.channel,
        "--train-ratio": args.train_ratio,
        "--split": None if args.split is None else " ".join(f"{share:g}" for share in args.split),
        "--domain": args.domain,
        "--timezone": args.timezone,
    }
    if entry.neighbors is not None:  # its name means the graph of its positions
        fixed |= {"--graph": args.graph, "--distances": args.distances, "--neighbors": args.neighbors}
    for option, value in fixed.items():
        if value is not None:
            raise UserError(
                f"{option} {value} contradicts {name}, for which it is fixed: leave it out, or prepare "
                "under another NAME"
            )
    whole = None if entry.part_of is None else CATALOG[entry.part_of]
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
        test_ratio=entry.test_ratio,
        neighbors=entry.neighbors,
        whole=None if whole is None else (whole.num_steps, whole.num_nodes),
    )


def _shares(args: argparse.Namespace) -> tuple[float, float]:
    """Return the shares of the windows for training and for testing, of ``--split`` or ``--train-ratio``."""
    if args.split is None:
        return 0.7 if args.train_ratio is None else args.train_ratio, 0.2
    said = "--split " + " ".join(f"{share:g}" for share in args.split)
    if args.train_ratio is not None:
        raise UserError(f"{said} and --train-ratio {args.train_ratio} both state the split: leave one of them out")
    if not all(share > 0 for share in args.split) or abs(sum(args.split) - 1) > 1e-6:
        raise UserError(
            f"{said}: expected the shares of training, validation and test, all above 0 and 1 in sum, as 0.6 0.2 0.2"
        )
    return args.split[0], args.split[2]


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
