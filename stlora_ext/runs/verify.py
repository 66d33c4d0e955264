"""Whether a record says what its run is and what its checkpoint measures, part by part."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.host.runner import HostRunner
from stlora_ext.lora.files import backbone_hash
from stlora_ext.lora.parameters import parameter_report
from stlora_ext.runs.backbone import recorded_identity
from stlora_ext.runs.build import host_config
from stlora_ext.runs.digest import part_digests
from stlora_ext.runs.evaluation import evaluate, kept_tail
from stlora_ext.runs.new_sensors_runner import NewSensorsRunnerMixin
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.provenance import hardware
from stlora_ext.runs.record import AdaptedBackbone, NewSensorsPart, Record, Scores
from stlora_ext.runs.reopen import FinishedRun, read_checkpoint
from stlora_ext.runs.stream_runner import tail_periods
from stlora_ext.weights import bare_state_dict, weights_fingerprint

TOLERANCE = {True: 1e-6, False: 1e-4}  # relative, of the average and every step, by whether the hardware is the same
_COMPUTED = {
    "test": "scores",
    "data": "data",
    "configuration": "configuration",
    "parameters": "parameters",
    "weights": "weights",
    "new_sensors": "new sensors",
}
NUM_TARGETS = "the number of targets"
NODE_TOLERANCE = {True: 1e-4, False: 1e-3}  # of a node or a day: far fewer errors are averaged, so rounding shows more


@dataclass(frozen=True)
class Verdict:
    """What became of the parts of a record.

    Attributes:
        difference: The first part that isn't as it was computed again or as the checkpoint has it; None where all are.
        computed: Parts that were computed again.
        compared: Parts that are those behind the checkpoint, by their SHA-256.
        stated: Parts that are only stated.
    """

    difference: str | None
    computed: tuple[str, ...]
    compared: tuple[str, ...] = ()
    stated: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.difference is not None:
            return f"differs: {self.difference}"
        if not self.compared:
            return f"confirmed ({', '.join(self.computed)} computed again, the rest stated)"
        return (
            f"confirmed (computed again: {', '.join(self.computed)}; as its checkpoint has it: "
            f"{', '.join(self.compared)}; stated: {', '.join(self.stated) or 'nothing'})"
        )


def verify(run: FinishedRun, meta: Meta, data_dir: Path, gpus: str | None = None, whole: bool = False) -> Verdict:
    """Compute a run again from its checkpoint, and compare every part of its record.

    The checkpoint holds the SHA-256 of each part: an edit of the record or of the checkpoint shows, a forgery of both
    doesn't. Records of before have no such checkpoint: their scores are computed again, the rest is stated.

    Args:
        run: The run; its checkpoint is there, and the data are those that its record names.
        meta: Its data set.
        data_dir: Folder of the prepared data sets.
        gpus: Number of the GPU; None or "": CPU.
        whole: Walk a stream from its first period on, not from what it kept of the state before its last ones.

    Raises:
        UserError: If the record can't be confirmed: it is of another configuration, or its checkpoint of another run.
    """
    refuse_other_configuration(run, meta, data_dir)
    checkpoint = read_checkpoint(run, meta)
    digests = checkpoint.get("record_sha256")
    if digests is None and run.record.weights is not None:
        raise UserError(
            f"checkpoint {run.checkpoint} was not written with record {run.path}, whose SHA-256 it would "
            "hold: put back the run's own files, or repeat it with --force"
        )
    tail = None if whole else kept_tail(run)
    runner = evaluate(run, meta, data_dir, gpus, tail=tail)
    scores = "scores" if tail is None else _of_the_tail(run.record)
    origin = run.record.provenance
    same = origin.hardware == hardware(runner.device)
    difference = (
        first_difference(run.record.scores, Scores.of(runner.test_result), same)
        or _other_fits(run.record, runner, same)
        or _other_parameters(run.record.parameters.given, parameter_report(runner.model))
        or _other_weights(run, runner.model)
    )
    if difference is not None:
        difference += f" (recorded on {origin.hardware}, {origin.threads} threads" + (
            ", compiled)" if origin.compiled else ")"
        )
    if digests is None:
        return Verdict(difference, (scores,))
    computed = [name for name in _COMPUTED if name in digests]
    return Verdict(
        difference or _edited(part_digests(run.record.content), digests),
        tuple(scores if name == "test" else _COMPUTED[name] for name in computed),
        tuple(name for name in digests if name not in computed),
    )


def _of_the_tail(record: Record) -> str:
    assert record.stream is not None  # a record of the protocol has it
    periods = record.stream.periods
    return f"scores of the last {tail_periods(periods)} of {periods} periods"


def _edited(digests: dict[str, str], written: dict[str, str]) -> str | None:
    name = next((name for name in {**written, **digests} if digests.get(name) != written.get(name)), None)
    return name and (
        f"'{name}' is not what the run wrote (its SHA-256 is {str(digests.get(name))[:12]}, the checkpoint "
        f"has {str(written.get(name))[:12]}): the record or the checkpoint was edited or replaced"
    )


def _other_fits(record: Record, runner: HostRunner, same_hardware: bool) -> str | None:
    """Compare which sensors were set aside, and their fits on every number of days."""
    if not isinstance(runner, NewSensorsRunnerMixin):
        return None
    stated, measured = record.new_sensors, NewSensorsPart.of(runner.summary())
    if stated is None or list(stated.sensors) != list(measured.sensors):
        return f"the new sensors are {stated and list(stated.sensors)} in the record, {list(measured.sensors)} measured"
    days, again = ([fit.days for fit in part.fits] for part in (stated, measured))
    if days != again:
        return f"the days of the fits are {days} in the record, {again} measured"
    for own, other in zip(stated.fits, measured.fits, strict=True):
        title = "all days" if own.days is None else f"{own.days:g} days"
        if own.ridge != other.ridge:
            return f"the ridge of the fit on {title} is {own.ridge} in the record, {other.ridge} measured"
        text = first_difference(own.scores, other.scores, same_hardware)
        if text is not None:
            return f"of the fit on {title} {text}"
        if own.known_mae is not None and not _close(own.known_mae, other.known_mae, TOLERANCE[same_hardware]):
            return f"known_mae of the fit on {title} is {own.known_mae} in the record, {other.known_mae} measured"
    return None


def _other_parameters(recorded: Mapping[str, Any], counted: dict[str, Any]) -> str | None:
    return next(
        (
            f"parameters: {name} is {recorded[name]} in the record, {value} counted"
            for name, value in counted.items()
            if name in recorded and recorded[name] != value
        ),
        None,
    )


def _other_weights(run: FinishedRun, model: Any) -> str | None:
    own = [(run.record.weights, "the weights", lambda: weights_fingerprint(bare_state_dict(model)))]
    if run.exp.protocol == "adapt":
        adapted = run.record.adapted or AdaptedBackbone()
        own.append((adapted.weights, "the backbone's weights", lambda: backbone_hash(model.backbone)))
    for recorded, what, compute in own:
        if recorded is not None and recorded != compute():
            return f"{what} are {str(recorded)[:19]} in the record, {compute()[:19]} in the checkpoint"
    return None


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
        raise UserError(
            f"record {run.path} says that it is {run.key.path.name}: give it that name back, or put back a whole copy"
        )
    cfg = host_config(run.exp, meta, run.key.seed, RunOptions(data_dir))
    if run.exp.adapts:
        cfg.backbone_hash = recorded_identity(run.record, run.exp)
        if cfg.backbone_hash is None:
            raise UserError(
                f"record {run.path} is damaged (it doesn't say which backbone it adapted): put back a whole copy, or "
                "delete it and repeat the run"
            )
    if cfg.md5[:8] != run.key.config_hash:
        raise UserError(
            f"record {run.path}: its configuration has the hash {cfg.md5[:8]}, its key says "
            f"{run.key.config_hash}; it was edited, or written by another version: put back a whole copy, "
            "or repeat the run"
        )


def first_difference(recorded: Scores, measured: Scores, same_hardware: bool = True) -> str | None:
    """Compare the scores of a record with those measured again.

    Args:
        recorded: The record's.
        measured: The same, measured again.
        same_hardware: Whether on the kind of hardware that the record names.

    Returns:
        str, optional: The first score that differs, with both values; None where all agree.
    """
    tolerance, of_node = TOLERANCE[same_hardware], NODE_TOLERANCE[same_hardware]
    stated = _by_title(recorded)
    for title, value in _by_title(measured).items():
        if " of period " in title and recorded.periods is None:
            continue  # a record of before
        part = " of node " in title or " of period " in title
        allowed = 0.0 if title == NUM_TARGETS else of_node if part else tolerance
        if not _close(stated.get(title, "nothing"), value, allowed):
            return f"{title} is {stated.get(title, 'nothing')} in the record, {value} measured"
    return None


def _by_title(scores: Scores) -> dict[str, float | None]:
    """Return every score by what it is: the average, the steps, the nodes, the number of targets."""
    titled = {f"the average {metric}": value for metric, value in scores.average.items()}
    for step, metrics in enumerate(scores.horizons, start=1):
        titled.update({f"{metric} of step {step}": value for metric, value in metrics.items()})
    for metric, values in (scores.nodes or {}).items():
        titled.update({f"{metric} of node {node}": value for node, value in enumerate(values)})
    for sums in ("absolute", "squared", "count") if scores.periods is not None else ():
        titled.update({f"the {sums} of period {i}": value for i, value in enumerate(getattr(scores.periods, sums))})
    return titled | ({} if scores.num_targets is None else {NUM_TARGETS: scores.num_targets})


def _close(first: Any, second: float | None, tolerance: float) -> bool:
    if first is None or second is None:
        return first is second
    if isinstance(first, bool) or not isinstance(first, (int, float)):
        return False
    return math.isclose(first, second, rel_tol=tolerance)
