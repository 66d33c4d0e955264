"""The claims of docs/models.md on which kinds of backbone gain."""

import statistics
from collections.abc import Sequence

from scipy.stats import ttest_1samp

from .records import differences, epochs, interval, mean_error, nodes, runs, shown

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


def claims() -> list[tuple[str, list[str]]]:
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
