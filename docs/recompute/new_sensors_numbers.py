"""What the records of protocol ``new-sensors`` say, as the pages print it.

A number is the mean over splits of the means over seeds. Arms are paired by split and seed, and an interval is over the
splits, because seeds of one split share its sensors.
"""

import json
import statistics
from collections.abc import Mapping
from functools import cache
from typing import Any

from .records import PUBLISHED, Run, interval

FOLDER = "new-sensors"
LEAST = 0.01  # share of the control's error that full has to gain for a share of its gain to mean anything

Pair = tuple[tuple[int, ...], int]  # the sensors set aside, and the seed
Adapter = tuple[tuple[str, Any], ...]


@cache
def found(dataset: str, backbone: str, arm: str, adapter: Adapter = ()) -> dict[Pair, Run]:
    """Return the records of an arm, by split and seed.

    Args:
        dataset: Name.
        backbone: Name.
        arm: ``base``, ``control``, ``plus`` or ``full``.
        adapter: Settings of the adapter that differ from the benchmark's.
    """
    wanted = {"sharing": "embedding", "row_dropout": 0.0} | dict(adapter)
    model = backbone if arm == "base" else backbone + "+"
    runs: dict[Pair, Run] = {}
    for path in sorted((PUBLISHED / FOLDER / dataset / model).glob(f"new-sensors-{arm}-*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        own: Mapping[str, Any] = record["configuration"].get("adapter") or {}
        if arm in ("plus", "full") and any(own.get(name, 0.0) != value for name, value in wanted.items()):
            continue
        pair = tuple(record["new_sensors"]["sensors"]), record["key"]["seed"]
        if pair in runs:
            raise SystemExit(f"error: {path}: a second record of this split and seed")
        runs[pair] = record
    if not runs:
        raise SystemExit(f"error: no records of {dataset}, {backbone}, {arm}, {adapter}")
    return runs


def fit(record: Run, days: float | None) -> Run:
    """Return what a record says of a fit on some days; None: on all."""
    return next(one for one in record["new_sensors"]["fits"] if one["days"] == days)


def errors(
    dataset: str, backbone: str, arm: str, days: float | None = None, adapter: Adapter = ()
) -> dict[Pair, float]:
    """Return the average MAE on the new sensors, by split and seed."""
    runs = found(dataset, backbone, arm, adapter)
    return {pair: float(fit(record, days)["test"]["average"]["MAE"]) for pair, record in runs.items()}


def by_split(*arms: dict[Pair, float]) -> list[list[float]]:
    """Return of each arm a number per split, the mean over the seeds that all arms have."""
    pairs = sorted(set.intersection(*map(set, arms)))
    splits = sorted({split for split, _ in pairs})
    return [[statistics.fmean(arm[pair] for pair in pairs if pair[0] == split) for split in splits] for arm in arms]


def percents(
    dataset: str, backbone: str, days: float | None, adapter: Adapter = (), arm: str = "plus", minus: str = "control"
) -> list[float]:
    """Return an arm minus another one in percent of the other's error, a number per split."""
    own, other = by_split(
        errors(dataset, backbone, arm, days if arm == "plus" else None, adapter), errors(dataset, backbone, minus)
    )
    return [100 * (one / two - 1) for one, two in zip(own, other, strict=True)]


def percent(dataset: str, backbone: str, days: float | None, adapter: Adapter = ()) -> str:
    """Return "+" minus control in percent of the control's error, with its interval over splits."""
    return "{:+.1f} % ({:+.1f} to {:+.1f})".format(*interval(percents(dataset, backbone, days, adapter)))


def share(dataset: str, backbone: str, days: float | None, adapter: Adapter = ()) -> float:
    """Return what "+" reaches of full's gain over the control, in percent."""
    own, control, full = (
        statistics.fmean(values)
        for values in by_split(
            errors(dataset, backbone, "plus", days, adapter),
            errors(dataset, backbone, "control"),
            errors(dataset, backbone, "full", None, adapter),
        )
    )
    if control - full < LEAST * control:
        raise SystemExit(f"error: {dataset}, {backbone}: full gains too little for a share of it")
    return 100 * (control - own) / (control - full)


def known_loss(dataset: str, backbone: str, adapter: Adapter) -> float:
    """Return by how many percent settings raise the validation error of the known sensors, over that of the usual."""
    usual, other = (
        {pair: _validation(record) for pair, record in found(dataset, backbone, "plus", of).items()}
        for of in ((), adapter)
    )
    own, before = (statistics.fmean(values) for values in by_split(other, usual))
    return 100 * (own / before - 1)


def _validation(record: Run) -> float:
    return float(min(epoch["val"]["MAE"] for epoch in record["training"]["history"] if "val" in epoch))
