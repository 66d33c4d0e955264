"""The claims of docs/results.md."""

import json
import statistics
from collections.abc import Callable
from typing import Any

from . import new_sensors as fresh
from . import stream_numbers as stream
from .new_sensors_numbers import percent as percent_of_control
from .records import PUBLISHED, Run, differences, epochs, first, gain, interval, nodes, percent


def of_plus(backbone: str, arm: str = "control") -> float:
    """Return what an arm gains on PEMS08-TAIL as a share of what "+" does, of the mean differences in percent."""
    one, two = (statistics.fmean(differences(TAIL, backbone, name, percent=True)) for name in (arm, "plus"))
    return one / two


def added(dataset: str, backbone: str) -> str:
    """Return the parameters that "+" adds, in whole percent."""
    return f"{first(dataset, backbone + '+', 'plus')['parameters']['adapter_percent']:.0f}"


def steps(nodes: int) -> dict[str, float]:
    """Return by how many percent "+" lengthens a training step on a GPU, by backbone."""
    return {row["model"]: row["plus_percent"] for row in on_gpu() if row["nodes"] == nodes}


def on_gpu() -> list[Run]:
    """Return what was measured of every backbone on a GPU, at several numbers of nodes."""
    return list(json.loads((PUBLISHED / "benchmarks" / "backbones-gpu.json").read_text(encoding="utf-8"))["rows"])


def quarter(*percents: float) -> str:
    """Return "a quarter" if all are, rounded to eighths."""
    return "a quarter" if all(round(percent / 12.5) == 2 for percent in percents) else str(percents)


def detectable(*of: str, digits: int = 2, **more: Any) -> str:
    """Return the least difference that the runs could have told from 0: half the width of their 95 % interval."""
    _, low, high = interval(differences(*of, **more))
    return f"{(high - low) / 2:.{digits}f}"


TAIL, LOOP, LA = "PEMS08-TAIL", "LOS-LOOP", "METR-LA-29"
TAXI, WALK = "NYC-TAXI", "METR-LA-29-STREAM"
CITIES: dict[str, Any] = {"folder": "heterogeneity", "digits": 3}


def claims() -> list[tuple[str, list[str]]]:
    """Return the pieces of the page that hold numbers, in its order, and the numbers of each."""
    return [*_summary(), *_stationary(), *_stream(), *_new_sensors(), *_costs()]


def _summary() -> list[tuple[str, list[str]]]:
    return [
        ("with its 95 % interval, over pairs of three seeds", []),
        ("below 0 the adapter helps", []),
        ("rank {}, both times", [str(first(TAIL, "LSTM+", "plus")["configuration"]["adapter"]["rank"])]),
        ("none can be told from 0.", []),
        (
            "they take a further {} to {} % off the error",
            fresh.ends((float(stream.percent(TAXI, backbone, "control")) for backbone in ("STID", "STGCN")), digits=1),
        ),
        (
            "three days of readings take {} to {} % off the control's error. The interval is clear of 0 in {} of six",
            [*fresh.off(3.0), fresh.clear(3.0)],
        ),
    ]


def _stationary() -> list[tuple[str, list[str]]]:
    cities = ("CITY-H0", "CITY", "CITY-H1")
    return [
        (
            "Flow of {} sensors. LSTM, STGCN, AGCRN and the adapters on fitted backbones had up to {} epochs, the "
            "others {}.",
            [nodes(TAIL), epochs(TAIL), epochs(TAIL, "STAE")],
        ),
        (
            'gains {} %. The control gains {} % of that; "+" minus wide, an arm with as many parameters, is {}.',
            [percent(TAIL, "LSTM"), f"{100 * of_plus('LSTM'):.0f}", gain(TAIL, "LSTM", minus="wide")],
        ),
        (
            '"+" minus control is {} with STGCN and {} with AGCRN. Three seeds could have told {} and {} from 0.',
            [
                *(gain(TAIL, backbone, minus="control") for backbone in ("STGCN", "AGCRN")),
                *(detectable(TAIL, backbone, minus="control") for backbone in ("STGCN", "AGCRN")),
            ],
        ),
        ("frozen STGCN they are worth {}.", [gain(TAIL, "STGCN", "plus", "control", "adapt")]),
        (
            "a week of {} sensors: nothing with any of six backbones; {} with LSTM, where {} could have been told.",
            [
                nodes(LOOP),
                gain(LOOP, "LSTM", minus="control", digits=4),
                detectable(LOOP, "LSTM", minus="control", digits=4),
            ],
        ),
        (
            "{} sensors, {} epochs: {} with HA, {} with VAR, {} with LSTM.",
            [
                nodes(LA),
                epochs(LA),
                *(gain(LA, backbone, "plus", "control", "adapt") for backbone in ("HA", "VAR")),
                gain(LA, "LSTM", minus="control"),
            ],
        ),
        (
            "{} where they follow one law, {} and {} where they differ.",
            [gain(city, "LSTM", minus="control", **CITIES) for city in cities],
        ),
        ("decides, in 36 models", []),
    ]


def _stream() -> list[tuple[str, list[str]]]:
    def each(number: Callable[..., str], *of: Any) -> list[str]:
        return [number(TAXI, backbone, *of) for backbone in ("STID", "STGCN")]

    return [
        ("trained on 2019; in March 2020 the city stops. The models go on through 2020", []),
        (
            "STID errs by {} and STGCN by {}. With the adapter updated each night they err by {} and {}; where every "
            "weight is updated, by {} and {}.",
            [*each(stream.alone), *each(stream.alone, "plus"), *each(stream.alone, "finetune")],
        ),
        (
            '"+" minus control is {} and {} (over seeds; over time), {} and {} % less.',
            [*each(stream.both, "control"), *each(stream.percent, "control")],
        ),
        ("The control has {} and {} % of the gain over a model left alone.", each(stream.gain_share)),
        (
            'with STID "+" reaches {} of what updating every weight gains, and is {} below the control.',
            [stream.share(WALK, "STID"), f"{stream.percent(WALK, 'STID', 'control')} %"],
        ),
    ]


def _new_sensors() -> list[tuple[str, list[str]]]:
    three = [[percent_of_control(dataset, backbone, 3.0) for dataset in fresh.SETS] for backbone in fresh.BACKBONES]
    return [
        ("LSTM {} here, {} on METR-LA-29-STREAM, {} on MELBOURNE-PED; DLinear {}, {} and {}.", [*three[0], *three[1]]),
        (
            "They reach {} to {} % of what training on all sensors gains over the control, seven days {} to {} %.",
            [*fresh.shares(3.0), *fresh.shares(7.0)],
        ),
        (
            "With 0.2 LSTM is {}, {} and {} from its control; the known sensors lose {} to {} %.",
            [*fresh.dropped(0.0), *fresh.lost()],
        ),
    ]


def _costs() -> list[tuple[str, list[str]]]:
    return [
        ("about 7 % less error for about 1 % more", []),
        (
            "LSTM+ adds {} % of parameters and gains {} %, STGCN+ adds {} % and gains {} %; AGCRN+ adds {} %, and its "
            "gain, {}, can't be told from 0.",
            [
                added(TAIL, "LSTM"),
                percent(TAIL, "LSTM"),
                added(TAIL, "STGCN"),
                percent(TAIL, "STGCN"),
                added(TAIL, "AGCRN"),
                gain(TAIL, "AGCRN"),
            ],
        ),
        (
            "takes {} more with LSTM and STGCN at {} sensors, at most {} % more with any backbone at {}.",
            [
                quarter(*(steps(170)[backbone] for backbone in ("LSTM", "STGCN"))),
                nodes(TAIL),
                f"{max(steps(883).values()):.0f}",
                str(max(row["nodes"] for row in on_gpu())),
            ],
        ),
    ]
