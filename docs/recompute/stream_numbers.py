"""What the records of protocol ``stream`` say, as the pages print it."""

import statistics

import numpy as np

from .over_time import drawn, middle
from .records import differences, interval, mean_error, model, runs

FOLDER = "streams"
ARMS = ("plus", "control")


def alone(dataset: str, backbone: str, arm: str = "base") -> str:
    """Return the mean over seeds of an arm's average MAE."""
    return f"{mean_error(runs(dataset, model(backbone, arm), arm, 'stream', FOLDER)):.2f}"


def percent(dataset: str, backbone: str, minus: str, arm: str = "plus") -> str:
    """Return how much less an arm's error is than another's, in percent of it, with a decimal."""
    return f"{-statistics.fmean(differences(dataset, backbone, arm, minus, 'stream', percent=True, folder=FOLDER)):.1f}"


def both(dataset: str, backbone: str, minus: str, arm: str = "plus", digits: int = 2, block: int = 7) -> str:
    """Return a difference with its intervals over seeds and over time: ``-0.32 (-0.56 to -0.09; -0.40 to -0.26)``."""
    seeds = interval(differences(dataset, backbone, arm, minus, "stream", folder=FOLDER))
    own, other = drawn(dataset, backbone, (arm, minus), FOLDER, block)
    weeks = middle((own - other).mean(axis=0))
    return "{:+.{d}f} ({:+.{d}f} to {:+.{d}f}; {:+.{d}f} to {:+.{d}f})".format(*seeds, *weeks, d=digits)


def in_blocks(dataset: str, backbone: str, minus: str, arm: str = "plus", digits: int = 2, block: int = 28) -> str:
    """Return the interval over time of a difference, of longer blocks."""
    own, other = drawn(dataset, backbone, (arm, minus), FOLDER, block)
    return "{:+.{d}f} to {:+.{d}f}".format(*middle((own - other).mean(axis=0)), d=digits)


def share(dataset: str, backbone: str) -> str:
    """Return what "+" reaches of finetune's gain over the base, in percent, with its interval over time."""
    base, plus, other = (
        mean_error(runs(dataset, model(backbone, arm), arm, "stream", FOLDER)) for arm in ("base", "plus", "finetune")
    )
    draws = [of.mean(axis=0) for of in drawn(dataset, backbone, ("base", "plus", "finetune"), FOLDER)]
    low, high = middle(100 * (draws[0] - draws[1]) / (draws[0] - draws[2]))
    return f"{100 * (base - plus) / (base - other):.1f} % ({low:.1f} to {high:.1f})"


def gain_share(dataset: str, backbone: str) -> str:
    """Return what the control gains of what "+" does, in whole percent, of the means over seeds."""
    gains = {
        arm: statistics.fmean(differences(dataset, backbone, arm, "base", "stream", folder=FOLDER)) for arm in ARMS
    }
    return f"{100 * gains['control'] / gains['plus']:.0f}"


def late_percent(dataset: str, backbone: str, minus: str, first: int) -> str:
    """Return how much less the error of "+" is than another arm's from a period on, in percent, with a decimal."""
    means = []
    for arm in ("plus", minus):
        found = runs(dataset, model(backbone, arm), arm, "stream", FOLDER).values()
        sums = [run["test"]["periods"] for run in found]
        means.append(statistics.fmean(sum(of["absolute"][first:]) / sum(of["count"][first:]) for of in sums))
    return f"{100 * (1 - means[0] / means[1]):.1f}"


def times(dataset: str, backbone: str) -> str:
    """Return how many times as long as one of "+" an update of finetune takes, in whole numbers."""
    plus, other = (
        statistics.median(
            run["stream"]["seconds_per_update"] for run in runs(dataset, name, arm, "stream", FOLDER).values()
        )
        for name, arm in ((f"{backbone}+", "plus"), (backbone, "finetune"))
    )
    return f"{other / plus:.0f}"


def kilobytes(dataset: str, backbone: str) -> str:
    """Return the size of the adapter of "+", in whole kB."""
    sizes = {run["adapter_bytes"] for run in runs(dataset, f"{backbone}+", "plus", "stream", FOLDER).values()}
    return f"{np.mean(list(sizes)) / 1000:.0f}"
