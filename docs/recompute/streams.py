"""The claims of docs/tables/streams.md."""

from .records import epochs, nodes
from .stream_numbers import FOLDER, alone, both, gain_share, kilobytes, late_percent, over_time, percent, share, times

TAXI = "NYC-TAXI"


def claims() -> list[tuple[str, list[str]]]:
    """Return the pieces of the page that hold numbers, in its order, and the numbers of each."""
    return [
        ('has its 95 % interval over three seeds, then that over time; below 0 "+"', []),
        (
            "Taxi drop-offs in {} zones, trained for {} epochs on 2019 and walked through 2020. In March 2020 the city",
            [nodes(TAXI, "STID", folder=FOLDER), epochs(TAXI, "STID", folder=FOLDER)],
        ),
        (
            'STID errs by {} in 2020. Updated each night it errs by {} with "+", whose adapter has {} kB, and by {}',
            [
                alone(TAXI, "STID"),
                alone(TAXI, "STID", "plus"),
                kilobytes(TAXI, "STID"),
                alone(TAXI, "STID", "finetune"),
            ],
        ),
        ('"+" reaches {} of that gain.', [share(TAXI, "STID")]),
        ("clear of 0.** The control, without them, gains {} %", [gain_share(TAXI, "STID")]),
        (
            '"+" minus control is {}, {} % less error, and "+" minus wide {},',
            [both(TAXI, "STID", "control"), percent(TAXI, "STID", "control"), both(TAXI, "STID", "wide")],
        ),
        ('"+" minus finetune is {}, at {} times the time', [both(TAXI, "STID", "finetune"), times(TAXI, "STID")]),
        (
            'In blocks of 28 days "+" minus control is {}, and "+" minus finetune {}.',
            [over_time(TAXI, "STID", "control"), over_time(TAXI, "STID", "finetune")],
        ),
        ("before July 2020, so those", []),
        ("Per-node weights are worth {} % there", [late_percent(TAXI, "STID", "control", 182)]),
    ]
