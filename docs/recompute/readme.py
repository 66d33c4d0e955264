"""The claims of README.md's results."""

import statistics

from . import new_sensors, stream_numbers
from .records import differences, epochs


def claims() -> list[tuple[str, list[str]]]:
    """Return the pieces of the section that hold numbers, in its order, and the numbers of each."""
    return [
        ("last 40 % of PEMS08", []),
        ("had only {} epochs", [epochs("PEMS08-TAIL", "STAE")]),
        (
            "by {} MAE over the control",
            [f"{-statistics.fmean(differences('PEMS08-TAIL', 'LSTM', minus='control')):.2f}"],
        ),
        ("nothing can be told from 0, and [36 models] agree", []),
        (
            "ended {} and {} % below the control",
            [stream_numbers.percent("NYC-TAXI", backbone, "control") for backbone in ("STID", "STGCN")],
        ),
        ("take {} to {} % off the control's error", new_sensors.off(3.0)),
    ]
