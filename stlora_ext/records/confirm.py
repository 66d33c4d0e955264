"""Whether a record says what its run is and what its checkpoint measures."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.records.key import checked_key
from stlora_ext.reopen import FinishedRun
from stlora_ext.resolve import host_config
from stlora_ext.trained_backbone import identity_of

TOLERANCE = 1e-6  # relative, of the average and every step
NODE_TOLERANCE = 1e-4  # of one node: far fewer errors are averaged, so rounding shows more


def refuse_other_configuration(run: FinishedRun, meta: Meta, data_dir: Path) -> None:
    """Refuse a record whose configuration isn't the one that its key stands for, or that has another run's name.

    Args:
        run: The run.
        meta: Its data set.
        data_dir: Folder of the prepared data sets.

    Raises:
        UserError: If so.
    """
    if run.path.stem != run.key.path.name:
        raise UserError(f"record {run.path} says that it is {run.key.path.name}: give it that name back, or put back "
                        "a whole copy")
    cfg = host_config(run.exp, meta, data_dir, run.key.seed)
    if run.exp.protocol == "adapt" and not run.exp.backbone.fitted:
        cfg.backbone_hash = _backbone_identity(run)
    if cfg.md5[:8] != run.key.config_hash:
        raise UserError(f"record {run.path}: its configuration has the hash {cfg.md5[:8]}, its key says "
                        f"{run.key.config_hash}; it was edited, or written by another version: put back a whole copy, "
                        "or repeat the run")


def _backbone_identity(run: FinishedRun) -> str:
    try:
        trained = run.record["trained_backbone"]
        if trained is None or trained["key"] is None:
            return trained["weights"]
        return identity_of(checked_key(trained["key"]), run.exp, run.key.seed)
    except (KeyError, TypeError) as error:
        raise UserError(f"record {run.path} is damaged ({type(error).__name__}: {error}): put back a whole copy, or "
                        "delete it and repeat the run") from None


def first_difference(recorded: dict[str, Any], measured: dict[str, Any]) -> Optional[str]:
    """Compare the figures of a record with those measured again.

    Returns:
        str, optional: The first figure that differs, with both values; None where all agree.
    """
    for place, value, tolerance in _figures(measured):
        other: Any = recorded
        try:
            for step in place:
                other = other[step]
        except (KeyError, IndexError, TypeError):
            other = "nothing"
        if not _close(other, value, tolerance):
            return f"{_name(place)} is {other} in the record, {value} measured"
    return None


def _figures(test: dict[str, Any]) -> Iterator[tuple[tuple[Any, ...], Optional[float], float]]:
    """Yield every figure's place, value and tolerance: the average, the steps, the nodes."""
    for metric, value in test["average"].items():
        yield ("average", metric), value, TOLERANCE
    for step, scores in enumerate(test["horizons"]):
        for metric, value in scores.items():
            yield ("horizons", step, metric), value, TOLERANCE
    for metric, values in test.get("nodes", {}).items():
        for node, value in enumerate(values):
            yield ("nodes", metric, node), value, NODE_TOLERANCE


def _name(place: tuple[Any, ...]) -> str:
    match place:
        case ("horizons", step, metric):
            return f"{metric} of step {step + 1}"
        case ("nodes", metric, node):
            return f"{metric} of node {node}"
    return f"the average {place[1]}"


def _close(first: Any, second: Optional[float], tolerance: float) -> bool:
    if first is None or second is None:
        return first is second
    if isinstance(first, bool) or not isinstance(first, (int, float)):
        return False
    return math.isclose(first, second, rel_tol=tolerance)
