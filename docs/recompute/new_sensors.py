"""The claims of docs/tables/new-sensors.md."""

import statistics
from collections.abc import Iterable

from .new_sensors_numbers import Adapter, found, known_loss, percent, percents, share
from .records import interval

PEMS, LA, PEOPLE = "PEMS08-TAIL", "METR-LA-29-STREAM", "MELBOURNE-PED"
SETS = (PEMS, LA, PEOPLE)
BACKBONES = ("LSTM", "DLinear")
PAIRS = [(dataset, backbone) for dataset in SETS for backbone in BACKBONES]
DROPPED: Adapter = (("row_dropout", 0.2),)
OF_LSTM = [(dataset, "LSTM") for dataset in SETS]  # what row dropout ran with


def each(days: float | None) -> list[str]:
    """Return what "+" differs from the control by, for every data set and backbone."""
    return [percent(*pair, days) for pair in PAIRS]


def dropped(days: float | None) -> list[str]:
    """Return what "+" trained with row dropout differs from the control by, for every data set."""
    return [percent(*pair, days, DROPPED) for pair in OF_LSTM]


def ends(values: Iterable[float], digits: int = 0) -> list[str]:
    """Return the least and the largest value."""
    values = list(values)
    return [f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"]


def shares(days: float | None) -> list[str]:
    """Return the ends of what "+" reaches of full's gain over the control."""
    return ends(share(*pair, days) for pair in PAIRS)


def off(days: float | None) -> list[str]:
    """Return the ends of how much less the error of "+" is than the control's, in percent."""
    return ends(-statistics.fmean(percents(*pair, days)) for pair in PAIRS)


def lost() -> list[str]:
    """Return the ends of what row dropout costs the known sensors, in percent of their validation error."""
    return ends((known_loss(*pair, DROPPED) for pair in OF_LSTM), digits=1)


def clear(days: float | None) -> str:
    """Return in how many of the pairs the interval of "+" minus control ends below 0."""
    count = sum(interval(percents(*pair, days))[2] < 0 for pair in PAIRS)
    return ("none", "one", "two", "three", "four", "five", "all")[count]


def epochs() -> str:
    """Return the epochs of every run."""
    (number,) = {
        record["configuration"]["training"]["num_epochs"]
        for pair in PAIRS
        for arm in ("base", "control", "plus", "full")
        for record in found(*pair, arm).values()
    }
    return str(number)


def claims() -> list[tuple[str, list[str]]]:
    """Return the pieces of the page that hold numbers, in its order, and the numbers of each."""
    return [
        ('with its 95 % interval over the draws. Below 0 "+" is better', []),
        ("for {} epochs", [epochs()]),
        (
            "**Three days of readings:** {} and {} on PEMS08-TAIL, {} and {} on METR-LA-29-STREAM, {} and {} on "
            "MELBOURNE-PED.",
            each(3.0),
        ),
        ("**Seven days:** {} and {}, {} and {}, {} and {}.", each(7.0)),
        ("**All training rows:** {} and {}, {} and {}, {} and {}.", each(None)),
        (
            "Trained on all sensors, full gains {} to {} % over the control. Three days reach {} to {} % of that, "
            "seven {} to {} %.",
            [*ends(-statistics.fmean(percents(*pair, None, arm="full")) for pair in PAIRS), *shares(3.0), *shares(7.0)],
        ),
        ("**One day:** {} and {}, {} and {}, {} and {}.", each(1.0)),
        ("the control by {} to {} %.", ends(statistics.fmean(percents(*pair, 0.0)) for pair in PAIRS)),
        (
            "With 0.2 and LSTM {}, {} and {} without a reading; {}, {} and {} after a day; {}, {} and {} after three.",
            [*dropped(0.0), *dropped(1.0), *dropped(3.0)],
        ),
        ("It costs the known sensors {} to {} % of their validation error.", lost()),
    ]
