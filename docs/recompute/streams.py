"""The claims of docs/tables/streams.md."""

from collections.abc import Callable
from typing import Any

from .records import epochs, nodes
from .stream_numbers import FOLDER, alone, both, gain_share, kilobytes, late_percent, over_time, percent, share, times

TAXI = "NYC-TAXI"
BACKBONES = ("STID", "STGCN")
JULY = 182  # periods before July 2020


def claims() -> list[tuple[str, list[str]]]:
    """Return the pieces of the page that hold numbers, in its order, and the numbers of each."""

    def each(number: Callable[..., str], *of: Any) -> list[str]:
        return [number(TAXI, backbone, *of) for backbone in BACKBONES]

    return [
        ('has its 95 % interval over three seeds, then that over time; below 0 "+"', []),
        (
            "Taxi drop-offs in {} zones, trained for {} epochs on 2019 and walked through 2020. In March 2020 the city",
            [nodes(TAXI, "STID", folder=FOLDER), epochs(TAXI, "STID", folder=FOLDER)],
        ),
        ("In 2020 STID errs by {} and STGCN by {}.", each(alone)),
        (
            "an adapter of {} kB, updated each night, they err by {} and {}; where every weight is updated, by {} "
            "and {}.",
            [kilobytes(TAXI, "STID"), *each(alone, "plus"), *each(alone, "finetune")],
        ),
        ('"+" reaches {} of what finetune gains with STID, and {} with STGCN.', each(share)),
        ('"+" minus finetune is {} and {}. An update', each(both, "finetune")),
        ("takes {} and {} times as long.", each(times)),
        (
            'clear of 0.** The control, without them, gains {} % of what "+" does with STID and {} % with',
            each(gain_share),
        ),
        (
            '"+" minus control is {} and {}, {} and {} % less error.',
            [*each(both, "control"), *each(percent, "control")],
        ),
        ('"+" minus wide is {} and {}.', each(both, "wide")),
        (
            'In blocks of 28 days "+" minus control is {} and {}, "+" minus finetune {} and {}.',
            [*each(over_time, "control"), *each(over_time, "finetune")],
        ),
        ("before July 2020. From", []),
        ("are worth {} % with STID and {} % with STGCN", each(late_percent, "control", JULY)),
    ]
