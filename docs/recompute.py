"""Recompute every result in a sentence of docs/results.md, and of docs/models.md's, from the published records alone.

    python docs/recompute.py

It shares no code with the tables: records are read as JSON, differences are paired by seed, intervals are Student's t.
A claim is a piece of the page with ``{}`` for each number, and what these numbers are. Printed are claims that the page
doesn't hold with the numbers recomputed, and numbers of the page that are in no claim. A digit that stands in a piece
itself is stated: the 95 % of an interval, the 0 of no difference, a city's heterogeneity, the paper's claim, a plan.
"""

import json
import re
import statistics
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from scipy.stats import t as student
from scipy.stats import ttest_1samp

DOCS = Path(__file__).parent
PUBLISHED = Path(__file__).parents[1] / "results" / "published"

Run = dict[str, Any]


@cache
def runs(dataset: str, model: str, arm: str, protocol: str, folder: str = "") -> dict[int | None, Run]:
    """Return the records of one model and arm, by seed."""
    found = {}
    for path in sorted((PUBLISHED / folder / dataset / model).glob(f"{protocol}-{arm}-*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["key"]["seed"] in found:
            raise SystemExit(f"error: {path}: a second record of this seed; expected runs of one configuration")
        found[record["key"]["seed"]] = record
    if not found:
        raise SystemExit(f"error: no records of {model}, {protocol}, {arm} under {PUBLISHED / folder / dataset}")
    return found


def error(record: Run) -> float:
    """Return the average MAE of a run."""
    return float(record["test"]["average"]["MAE"])


def mean_error(found: dict[int | None, Run]) -> float:
    """Return the mean over seeds of the average MAE."""
    return statistics.fmean(map(error, found.values()))


def differences(
    dataset: str,
    backbone: str,
    arm: str = "plus",
    minus: str = "base",
    protocol: str = "joint",
    *,
    percent: bool = False,
    folder: str = "",
) -> list[float]:
    """Return what an arm's average MAE differs from another's by, a number for each seed; base may have none."""
    model = backbone + "+"
    first = runs(dataset, model, arm, protocol, folder)
    if minus == "base":
        other = runs(dataset, backbone, "base", "fitted" if backbone in ("HA", "VAR", "SVR") else "joint", folder)
    else:
        other = runs(dataset, model, minus, protocol, folder)
    pairs = [(error(run), error(other[seed if seed in other else None])) for seed, run in first.items()]
    return [(one - two) * (100 / two if percent else 1) for one, two in pairs]


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean and the ends of its 95 % interval."""
    mean, half = statistics.fmean(values), float(student.ppf(0.975, len(values) - 1))
    half *= statistics.stdev(values) / len(values) ** 0.5
    return mean, mean - half, mean + half


def shown(values: Sequence[float], digits: int = 2) -> str:
    """Return a difference with its interval as the page prints it: ``-5.12 (-5.37 to -4.87)``."""
    return "{:+.{d}f} ({:+.{d}f} to {:+.{d}f})".format(*interval(values), d=digits)


def gain(*of: str, digits: int = 2, **more: Any) -> str:
    """Return what an arm gains, with its interval."""
    return shown(differences(*of, **more), digits)


def percent(*of: str) -> str:
    """Return how much less the error is, in whole percent of the other's."""
    return f"{-statistics.fmean(differences(*of, percent=True)):.0f}"


def check(page: str, claims: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """Return what is wrong with a page: claims that it doesn't hold, and numbers that no claim holds.

    Args:
        page: The page in Markdown. Tables, pictures, code, targets of links and headings hold no sentences.
        claims: Pieces of its text in one line, with ``{}`` for each number, and those numbers.
    """
    page = re.sub(r"<!-- table: .*?<!-- end of table -->|```.*?```", "", page, flags=re.DOTALL)
    page = re.sub(r"!\[.*?\]\(.*?\)|^ {4}.*$|^#.*$", "", page, flags=re.MULTILINE)
    text = " ".join(re.sub(r"\]\([^)]*\)", "]", page).replace("`", "").split())
    wrong = []
    for piece, numbers in claims:
        claim = piece.format(*numbers)
        if claim not in text:
            wrong.append(f"not on the page: {claim}")
        text = text.replace(claim, "")
    left = re.findall(r"(?<![\w.-])[+-]?\d[\d,]*(?:\.\d+)?(?!\w)", text)
    return wrong + [f"in no claim: {number}" for number in left]


def nodes(dataset: str, model: str = "LSTM", **of: Any) -> str:
    """Return the sensors of a data set."""
    return str(_first(dataset, model, **of)["data"]["num_nodes"])


def epochs(dataset: str, model: str = "LSTM", **of: Any) -> str:
    """Return the epochs that a run may have at most."""
    return str(_first(dataset, model, **of)["configuration"]["training"]["num_epochs"])


def days(dataset: str) -> str:
    """Return the days of a data set, the last one cut."""
    data = _first(dataset, "LSTM")["data"]
    return f"{data['num_steps'] * data['interval'] / 1440:.0f}"


def _first(dataset: str, model: str, arm: str = "base", protocol: str = "joint", folder: str = "") -> Run:
    return next(iter(runs(dataset, model, arm, protocol, folder).values()))


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
        protocol, arm, _, _ = path.stem.split("-")
        of = path.parent.name.removesuffix("+"), arm, "base", protocol
        family[of] = float(ttest_1samp(differences(dataset, *of), 0).pvalue)
    largest = 0.0
    for place, of in enumerate(sorted(family, key=family.__getitem__)):
        largest = max(largest, min(1.0, (len(family) - place) * family[of]))
        if of == (backbone, "plus", "base", "joint"):
            break
    return f"{largest:.3f}"


def added(dataset: str, backbone: str) -> str:
    """Return the parameters that "+" adds, in whole percent."""
    return f"{_first(dataset, backbone + '+', 'plus')['parameters']['adapter_percent']:.0f}"


def steps(nodes: int) -> dict[str, float]:
    """Return by how many percent "+" lengthens a training step on a GPU, by backbone."""
    return {row["model"]: row["plus_percent"] for row in on_gpu() if row["nodes"] == nodes}


def on_gpu() -> list[Run]:
    """Return what was measured of every backbone on a GPU, at several numbers of nodes."""
    return list(json.loads((PUBLISHED / "benchmarks" / "backbones-gpu.json").read_text(encoding="utf-8"))["rows"])


def torch_version(dataset: str) -> str:
    """Return the version of torch that a data set's LSTM was trained with, without its last part."""
    return ".".join(_first(dataset, "LSTM")["provenance"]["versions"]["torch"].split(".")[:2])


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
        ("rank {}, both times", [str(_first(TAIL, "LSTM+", "plus")["configuration"]["adapter"]["rank"])]),
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


PEOPLE = "MELBOURNE-PED"
ALIKE = [
    "Crossformer",
    "DLinear",
    "DUET",
    "FITS",
    "FiLM",
    "FreTS",
    "HA",
    "HI",
    "LSTM",
    "NLinear",
    "PatchTST",
    "SOFTS",
    "SparseTSF",
    "TiDE",
    "TimeKAN",
    "TimeMixer",
    "Timer",
    "iTransformer",
]
OWN = ["AGCRN", "GWNet", "Leddam", "SegRNN", "STGCN", "STID", "TimeXer"]
TOGETHER = ["Autoformer", "Informer", "Koopa", "LightTS", "MTSMixer", "NonstationaryTransformer", "StemGNN", "TimesNet"]
BY_SENSOR = ["HA-week", "SVR", "VAR"]
EVERY = [*ALIKE, *OWN, *TOGETHER, *BY_SENSOR]
FITTED = ("HA", "HA-week", "HI", "SVR", "VAR")


def beyond(backbone: str, *, percent: bool = False) -> list[float]:
    """Return what "+" differs from its control by on MELBOURNE-PED, a number for each seed."""
    protocol = "adapt" if backbone in FITTED else "joint"
    return differences(PEOPLE, backbone, "plus", "control", protocol, percent=percent)


def of_kind(backbones: Sequence[str], *, percent: bool = False) -> list[float]:
    """Return the mean over backbones of what "+" differs from its control by, a number for each seed."""
    return [statistics.fmean(seed) for seed in zip(*(beyond(name, percent=percent) for name in backbones), strict=True)]


def clear(backbones: Sequence[str]) -> str:
    """Return of how many backbones the interval of "+" minus control ends below 0."""
    return str(sum(interval(beyond(name))[2] < 0 for name in backbones))


def passing() -> list[str]:
    """Return the backbones whose "+" differs from its control after Holm's correction over all of them."""
    p = {name: float(ttest_1samp(beyond(name), 0).pvalue) for name in EVERY}
    passed: list[str] = []
    for place, name in enumerate(sorted(p, key=p.__getitem__)):
        if (len(p) - place) * p[name] >= 0.05:
            break
        passed.append(name)
    return passed


def kinds() -> list[tuple[str, list[str]]]:
    """Return the pieces of the sentences on which kinds of backbone gain, and the numbers of each."""
    adapted = {name: runs(PEOPLE, name + "+", "plus", "adapt" if name in FITTED else "joint") for name in EVERY}
    alone = mean_error(runs(PEOPLE, "STID", "base", "joint"))
    least = min(mean_error(found) for name, found in adapted.items() if name != "STID")
    return [
        ("with the 95 % interval over three seeds; below 0", []),
        (
            "every sensor**, {} models: {}, {} % of the control's error. Each of the {} intervals in the table "
            "ends below 0.",
            [
                str(len(ALIKE)),
                shown(of_kind(ALIKE)),
                f"{-statistics.fmean(of_kind(ALIKE, percent=True)):.0f}",
                clear(ALIKE),
            ],
        ),
        (f"They are {', '.join(ALIKE[:-1])} and {ALIKE[-1]}.", []),
        (
            "one layer**, {} models: {}, from StemGNN's {} to nothing that can be told from 0 with MTSMixer, {}.",
            [str(len(TOGETHER)), shown(of_kind(TOGETHER)), shown(beyond("StemGNN")), shown(beyond("MTSMixer"))],
        ),
        ("each sensor's own**, {} models: {}.", [str(len(OWN)), shown(of_kind(OWN))]),
        ("TimeXer loses {}.", [shown(beyond("TimeXer"))]),
        (
            "STID without adapter has a smaller error than any other model with one, {}.",
            [f"{alone:.2f}" if alone < least else f"not {alone:.2f}"],
        ),
        ("HA-week, SVR and VAR: {}.", [shown(of_kind(BY_SENSOR))]),
        (
            "one city's pedestrians, {} sensors whose counts differ much, over {} epochs",
            [nodes(PEOPLE), epochs(PEOPLE)],
        ),
        ("after Holm's correction over all {} models {} alone gains.", [str(len(EVERY)), " and ".join(passing())]),
    ]


def section(page: str, heading: str) -> str:
    """Return what stands below a heading of the second level."""
    return page.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def pages() -> list[tuple[str, str, list[tuple[str, list[str]]]]]:
    """Return the name, the text and the claims of each page, or part of one, that states results in sentences."""
    results, models = ((DOCS / name).read_text(encoding="utf-8") for name in ("results.md", "models.md"))
    return [("results.md", results, claims()), ("models.md", section(models, "Which kinds gain"), kinds())]


def main() -> None:
    """Print what is wrong with the pages."""
    found = False
    for name, text, claimed in pages():
        wrong = check(text, claimed)
        found |= bool(wrong)
        print("\n".join(f"{name}: {line}" for line in wrong) or f"{name}: every result in a sentence is the records'")
    sys.exit(found)


if __name__ == "__main__":
    main()
