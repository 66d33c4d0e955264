"""A finished run's scores computed again: from its checkpoint, or, of a stream, by walking it again."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from stlora_ext.config.experiment import Experiment
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.host.checkpoint import load_checkpoint, save_checkpoint
from stlora_ext.host.config import ForecastingConfig
from stlora_ext.host.launcher import launch_evaluation, launch_training
from stlora_ext.host.progress_files import LAST, is_of
from stlora_ext.host.runner import HostRunner
from stlora_ext.runs.backbone import read_backbone, run_config, with_backbone
from stlora_ext.runs.build import build_model, runner_class
from stlora_ext.runs.key import CHECKPOINT
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.reopen import FinishedRun, backbone_state, read_checkpoint
from stlora_ext.runs.stream_runner import TAIL

_WALK_AGAIN = "put back the run's own, or delete it, and the whole stream is walked again"
_BESIDE = ("scaler_stats", "data_fingerprint")  # the weights in a checkpoint


def evaluate(
    run: FinishedRun,
    meta: Meta,
    data: Path,
    gpus: str | None = None,
    forecasts: Path | None = None,
    tail: Path | None = None,
) -> HostRunner:
    """Evaluate a run's checkpoint on the test split by the run's own runner; walk a stream again from its backbone.

    Args:
        run: The run; its checkpoint is there, and of a stream that of the run that it went on from.
        meta: Its data set.
        data: Folder of the prepared data sets.
        gpus: Number of the GPU; None or "": CPU.
        forecasts: Folder that receives the forecasts, ``test_results/*.npy`` in original units; None: none are kept.
        tail: What the walk of a stream had come to, from which it goes on; None: it is walked from its first period on.

    Returns:
        HostRunner: Its ``test_result`` holds the scores, its ``model`` the checkpoint's weights.

    Raises:
        UserError: If checkpoint or data are damaged or not the run's.
    """
    read_checkpoint(run, meta)
    build_model(run.exp, meta, data)
    with tempfile.TemporaryDirectory() as folder:
        exp = run.exp if run.exp.protocol != "stream" else _with_start(run, meta, data, Path(folder) / CHECKPOINT)
        options = RunOptions(data, gpus=gpus, save_results=forecasts is not None)
        if run.exp.protocol == "stream":  # whose updates are rounded by how their batches were cut
            origin = run.record.provenance
            options = replace(options, processes=origin.data_parallel, parts=origin.parts)
        cfg = run_config(exp, meta, run.key.seed, options, forecasts or Path(folder))
        if run.exp.protocol != "stream":
            return launch_evaluation(cfg, str(run.checkpoint), runner_class(run.exp))
        going_on = Path(folder) / LAST
        if tail is not None:
            cfg.run_key = str(run.key.path)
            _refuse_other_tail(tail, cfg, run)
            shutil.copy(tail, going_on)
        try:
            return launch_training(cfg, runner_class(run.exp), devices=options.devices)
        except UserError as error:
            if str(going_on) not in str(error):
                raise
            raise UserError(f"{tail} is damaged: {_WALK_AGAIN}") from None


def _refuse_other_tail(tail: Path, cfg: ForecastingConfig, run: FinishedRun) -> None:
    try:
        content = load_checkpoint(tail)
    except UserError:
        raise UserError(f"{tail} is damaged: {_WALK_AGAIN}") from None
    if not is_of(content, cfg):
        raise UserError(f"{tail} is of another run, other data or another arithmetic than {run.path}: {_WALK_AGAIN}")


def kept_tail(run: FinishedRun) -> Path | None:
    """Return what a finished walk kept of the state before its last periods.

    None where it kept none, or went on from a backbone without a record, by whose file it is identified.
    """
    if run.exp.protocol != "stream" or run.checkpoint is None or run.record.adapted_key is None:
        return None
    path = run.checkpoint.with_name(TAIL)
    return path if path.is_file() else None


def _with_start(run: FinishedRun, meta: Meta, data: Path, extracted: Path) -> Experiment:
    """Return the experiment of a stream with what it went on from.

    Args:
        run: The run.
        meta: Its data set.
        data: Folder of the prepared data sets.
        extracted: A file for the backbone's weights, where only the run's own checkpoint has them.

    Raises:
        UserError: If that is gone, or has other weights than the record says.
    """
    key = run.record.adapted_key
    roots = [place.absolute().parents[3] for place in run.places if len(place.absolute().parents) > 3]
    if key is None:
        if run.exp.arm == "finetune":
            raise UserError(
                f"record {run.path} doesn't say which run trained the backbone that it went on from, and every "
                "weight of it was updated since: repeat the run from a finished base run, --train-backbone"
            )
        checkpoint = read_checkpoint(run, meta)
        frozen = {"model_state_dict": backbone_state(checkpoint["model_state_dict"])}
        save_checkpoint({**{name: checkpoint.get(name) for name in _BESIDE}, **frozen}, extracted)
        exp = replace(run.exp, backbone_from=str(extracted))
        return with_backbone(exp, meta, run.key.seed, RunOptions(data, roots[0]), train=_refuse)
    found = [(root, root / key.path / CHECKPOINT) for root in roots if (root / key.path / CHECKPOINT).is_file()]
    if not found:
        raise UserError(
            f"the backbone that {run.path} went on from is not there (looked for "
            f"{', '.join(str(root / key.path / CHECKPOINT) for root in roots)}): put its run back, or name the folder "
            "of runs with --results DIR"
        )
    root, path = found[0]
    exp = replace(run.exp, backbone_from=str(path))
    weights = read_backbone(path, exp, meta).weights
    if weights != run.record.adapted_weights:
        raise UserError(
            f"{path} has other weights than {run.path} went on from ({weights[:19]}, the record says "
            f"{str(run.record.adapted_weights)[:19]}): put back the backbone's own files, or repeat this run with "
            "--force"
        )
    return with_backbone(exp, meta, run.key.seed, RunOptions(data, root), train=_refuse)


def _refuse(*_args: object, **_kwargs: object) -> None:
    raise AssertionError("nothing is trained to verify a run")
