"""The claims of docs/results.md."""

import json
import statistics
from typing import Any

from scipy.stats import ttest_1samp

from .records import PUBLISHED, Run, days, differences, epochs, first, gain, nodes, percent, runs


def of_plus(backbone: str, arm: str = "control") -> float:
    """Return what an arm gains on PEMS08-TAIL as a share of what "+" does, of the mean differences in percent."""
    one, two = (statistics.fmean(differences(TAIL, backbone, name, percent=True)) for name in (arm, "plus"))
    return one / two


def tenths(share: float) -> str:
    """Return a share in words."""
    count = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"][round(10 * share)]
    return f"{count} tenths"


def better_nodes(dataset: str, backbone: str) -> str:
    """Return at how many sensors "+" errs less, the errors of a sensor averaged over the seeds of all pairs."""
    plus, base = runs(dataset, backbone + "+", "plus", "joint"), runs(dataset, backbone, "base", "joint")
    means = [
        [
            statistics.fmean(errors)
            for errors in zip(*(run["test"]["nodes"]["MAE"] for run in arm.values()), strict=True)
        ]
        for arm in (plus, base)
    ]
    return str(sum(one < two for one, two in zip(*means, strict=True)))


def corrected_p(dataset: str, backbone: str) -> str:
    """Return the p-value of "+" minus base after Holm's correction over all differences from the backbones alone."""
    family = {}
    for path in sorted((PUBLISHED / dataset).glob("*+/*-seed0.json")):
        key = json.loads(path.read_text(encoding="utf-8"))["key"]
        if key["protocol"] not in ("joint", "adapt"):
            continue
        of = key["model"].removesuffix("+"), key["arm"], "base", key["protocol"]
        family[of] = float(ttest_1samp(differences(dataset, *of), 0).pvalue)
    largest = 0.0
    for place, of in enumerate(sorted(family, key=family.__getitem__)):
        largest = max(largest, min(1.0, (len(family) - place) * family[of]))
        if of == (backbone, "plus", "base", "joint"):
            break
    return f"{largest:.3f}"


def added(dataset: str, backbone: str) -> str:
    """Return the parameters that "+" adds, in whole percent."""
    return f"{first(dataset, backbone + '+', 'plus')['parameters']['adapter_percent']:.0f}"


def steps(nodes: int) -> dict[str, float]:
    """Return by how many percent "+" lengthens a training step on a GPU, by backbone."""
    return {row["model"]: row["plus_percent"] for row in on_gpu() if row["nodes"] == nodes}


def on_gpu() -> list[Run]:
    """Return what was measured of every backbone on a GPU, at several numbers of nodes."""
    return list(json.loads((PUBLISHED / "benchmarks" / "backbones-gpu.json").read_text(encoding="utf-8"))["rows"])


def torch_version(dataset: str) -> str:
    """Return the version of torch that a data set's LSTM was trained with, without its last part."""
    return ".".join(first(dataset, "LSTM")["provenance"]["versions"]["torch"].split(".")[:2])


def quarter(*percents: float) -> str:
    """Return "a quarter" if all are, rounded to eighths."""
    return "a quarter" if all(round(percent / 12.5) == 2 for percent in percents) else str(percents)


TAIL, LOOP, LA = "PEMS08-TAIL", "LOS-LOOP", "METR-LA-29"
CITIES: dict[str, Any] = {"folder": "heterogeneity", "digits": 3}


def claims() -> list[tuple[str, list[str]]]:
    """Return the pieces of the page that hold numbers, in its order, and the numbers of each."""
    cities = ("CITY-H0", "CITY", "CITY-H1")

    def frozen(backbone: str) -> str:
        return gain(TAIL, backbone, "plus", "control", "adapt")

    return [
        ("with the 95 % interval of pairs of three seeds; below 0", []),
        ("rank {}, both times", [str(first(TAIL, "LSTM+", "plus")["configuration"]["adapter"]["rank"])]),
        ("one thread of an AMD EPYC and torch {}, unless", [torch_version(LOOP)]),
        (
            "At the published {} epochs, on PEMS08-TAIL, LSTM gains {} % and STGCN {} %.",
            [epochs(TAIL), percent(TAIL, "LSTM"), percent(TAIL, "STGCN")],
        ),
        ("can't tell AGCRN's gain from 0.", []),
        ('STGCN {} of what "+" does, and LSTM {} %.', [tenths(of_plus("STGCN")), f"{100 * of_plus('LSTM'):.0f}"]),
        (
            "Flow, {} sensors, {} days. LSTM, STGCN, AGCRN and the adapters on fitted backbones had up to {} epochs.",
            [nodes(TAIL), days(TAIL), epochs(TAIL)],
        ),
        (
            "gains {}. Its control gains {}, its wide arm {}.",
            [gain(TAIL, "LSTM", arm) for arm in ("plus", "control", "wide")],
        ),
        ('"+" minus wide is {}.', [gain(TAIL, "LSTM", minus="wide")]),
        (
            'gains {}, its control {}. "+" minus control is {}. Holm\'s correction just misses (p = {}).',
            [
                gain(TAIL, "STGCN"),
                gain(TAIL, "STGCN", "control"),
                gain(TAIL, "STGCN", minus="control"),
                corrected_p(TAIL, "STGCN"),
            ],
        ),
        ("**AGCRN**: {}.", [gain(TAIL, "AGCRN")]),
        (
            'with LSTM, "+" minus control {}, and with STGCN, {}, but not with AGCRN, {}.',
            [frozen(backbone) for backbone in ("LSTM", "STGCN", "AGCRN")],
        ),
        ("On HA, a plain average, it gains {},", [gain(TAIL, "HA", protocol="adapt")]),
        (
            "{} of {} nodes with LSTM+, {} with STGCN+, {} with AGCRN+.",
            [better_nodes(TAIL, "LSTM"), nodes(TAIL), better_nodes(TAIL, "STGCN"), better_nodes(TAIL, "AGCRN")],
        ),
        ("A city of {} sensors, simulated", [nodes("CITY", folder="heterogeneity")]),
        ("At heterogeneity 0 every node follows one law, so per-node weights can't help; at 1 the nodes", []),
        ("LSTM, {} epochs.", [epochs("CITY", folder="heterogeneity")]),
        ("{} at 0, {} at 0.5, {} at 1.", [gain(city, "LSTM", minus="control", **CITIES) for city in cities]),
        ("it is the same:** {}, {}, {}.", [gain(city, "LSTM", minus="wide", **CITIES) for city in cities]),
        ("at every heterogeneity**, at 0 too: {}.", [gain("CITY-H0", "LSTM", **CITIES)]),
        (
            "A week of METR-LA's {} sensors (speed), {} epochs, {} of STAE and D2STGNN.",
            [nodes(LOOP), epochs(LOOP), epochs(LOOP, "STAE")],
        ),
        ('With LSTM "+" minus control is {}.', [gain(LOOP, "LSTM", minus="control", digits=4)]),
        (
            "the fitted ones: HA {}, VAR {}, SVR {}. STGCN's gain, {}, doesn't",
            [
                gain(LOOP, "HA", protocol="adapt"),
                gain(LOOP, "VAR", protocol="adapt"),
                gain(LOOP, "SVR", protocol="adapt", digits=4),
                gain(LOOP, "STGCN"),
            ],
        ),
        ("gain nothing:** {} and {}.", [gain(LOOP, "LSTM", digits=4), gain(LOOP, "AGCRN")]),
        ("{} of METR-LA's sensors (speed) over four months, {} epochs.", [nodes(LA), epochs(LA)]),
        (
            "from AGCRN's {} and STGCN's {} over LSTM's {} to HA's {}.",
            [*(gain(LA, backbone) for backbone in ("AGCRN", "STGCN", "LSTM")), gain(LA, "HA", protocol="adapt")],
        ),
        (
            "HA {}, VAR {}, LSTM {}. No wide arm",
            [
                *(gain(LA, backbone, "plus", "control", "adapt") for backbone in ("HA", "VAR")),
                gain(LA, "LSTM", minus="control"),
            ],
        ),
        ("about 7 % less error for about 1 % more", []),
        (
            "LSTM+ adds {} % of parameters and gains {} %, STGCN+ adds {} % and gains {} %; AGCRN+ adds {} %,",
            [
                added(TAIL, "LSTM"),
                percent(TAIL, "LSTM"),
                added(TAIL, "STGCN"),
                percent(TAIL, "STGCN"),
                added(TAIL, "AGCRN"),
            ],
        ),
        ("can't be distinguished from 0.", []),
        (
            "takes {} more with LSTM and STGCN at {} nodes, at most {} % more with any backbone at {}.",
            [
                quarter(*(steps(170)[backbone] for backbone in ("LSTM", "STGCN"))),
                nodes(TAIL),
                f"{max(steps(883).values()):.0f}",
                str(max(row["nodes"] for row in on_gpu())),
            ],
        ),
        ("and 100 epochs of every backbone", []),
    ]
