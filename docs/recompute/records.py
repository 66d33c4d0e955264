"""What the published records say, read as JSON: scores, differences paired by seed, their intervals."""

import json
import statistics
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from scipy.stats import t as student

PUBLISHED = Path(__file__).parents[2] / "results" / "published"

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


def model(backbone: str, arm: str) -> str:
    """Return the model of an arm: with "+" where it has an adapter."""
    return backbone if arm in ("base", "finetune") else backbone + "+"


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
    own = protocol
    if minus == "base" and protocol != "stream":
        own = "fitted" if backbone in ("HA", "VAR", "SVR") else "joint"
    found = runs(dataset, model(backbone, arm), arm, protocol, folder)
    other = runs(dataset, model(backbone, minus), minus, own, folder)
    pairs = [(error(run), error(other[seed if seed in other else None])) for seed, run in found.items()]
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


def nodes(dataset: str, model: str = "LSTM", **of: Any) -> str:
    """Return the sensors of a data set."""
    return str(first(dataset, model, **of)["data"]["num_nodes"])


def epochs(dataset: str, model: str = "LSTM", **of: Any) -> str:
    """Return the epochs that a run may have at most."""
    return str(first(dataset, model, **of)["configuration"]["training"]["num_epochs"])


def days(dataset: str) -> str:
    """Return the days of a data set, the last one cut."""
    data = first(dataset, "LSTM")["data"]
    return f"{data['num_steps'] * data['interval'] / 1440:.0f}"


def first(dataset: str, model: str, arm: str = "base", protocol: str = "joint", folder: str = "") -> Run:
    """Return the record of one of the seeds."""
    return next(iter(runs(dataset, model, arm, protocol, folder).values()))
