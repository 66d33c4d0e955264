"""The claims of docs/tables/streams.md."""

from collections.abc import Callable
from typing import Any

from .records import epochs, nodes
from .stream_numbers import FOLDER, alone, both, gain_share, in_blocks, kilobytes, late_percent, percent, share, times

TAXI, LA = "NYC-TAXI", "METR-LA-29-STREAM"
BACKBONES = ("STID", "STGCN")
JULY, HALF = 182, 39  # periods before July 2020, and of half the test of METR-LA-29-STREAM


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
            [*each(in_blocks, "control"), *each(in_blocks, "finetune")],
        ),
        ("before July 2020. From", []),
        ("are worth {} % with STID and {} % with STGCN", each(late_percent, "control", JULY)),
        (
            "Speed at {} sensors, trained for {} epochs on the first 30 % and walked through the last 66 %.",
            [nodes(LA, "STID", folder=FOLDER), epochs(LA, "STID", folder=FOLDER)],
        ),
        (
            "STID errs by {} alone, by {} with the adapter, and by {} where every weight is updated. "
            '"+" reaches {} of finetune\'s gain.',
            [alone(LA, "STID"), alone(LA, "STID", "plus"), alone(LA, "STID", "finetune"), share(LA, "STID")],
        ),
        (
            'clear of 0 and small:** "+" minus control is {}, {} % less error, and {} % in the half that nothing was',
            [
                both(LA, "STID", "control", digits=3),
                percent(LA, "STID", "control"),
                late_percent(LA, "STID", "control", HALF),
            ],
        ),
        ('"+" minus wide is {}.', [both(LA, "STID", "wide", digits=3)]),
    ]
