"""How long a call of run.py takes: the runs that it has to do, by finished ones alike; else by its own first steps."""

import json

import torch

from stlora_ext.config.experiment import Experiment, configuration
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.host.progress import Outlook
from stlora_ext.runs.backbone import run_key, trained_key
from stlora_ext.runs.key import CHECKPOINT
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.provenance import hardware
from stlora_ext.runs.record import Record
from stlora_ext.sweep.estimate import Estimates
from stlora_ext.sweep.job import Job

_SAME_WORK = ("batch_size", "eval_batch_size", "val_interval", "bf16")  # of the training settings


def command_outlook(exp: Experiment, meta: Meta, options: RunOptions, force: bool = False) -> Outlook:
    """Return how long an experiment takes under all its seeds; print it now if finished runs say so.

    Args:
        exp: The experiment.
        meta: Its data set.
        options: Where and on what it runs.
        force: Whether finished runs are repeated.
    """
    runs = _runs(exp, meta, options, force)
    outlook = Outlook(len(runs), told=not runs)
    estimates = Estimates(options.results, {hardware(options.device)})
    seconds = [_recorded(run, seed, meta, options, estimates) for run, seed in runs]
    known = [estimate for estimate in seconds if estimate is not None]
    if known and len(known) == len(seconds):
        outlook.tell(sum(known), ", by finished runs of this kind")
    return outlook


def _runs(exp: Experiment, meta: Meta, options: RunOptions, force: bool) -> list[tuple[Experiment, int | None]]:
    """Return what isn't finished, with the backbones that are trained first."""
    runs = []
    for seed in exp.run_seeds:
        if not force and _finished(exp, meta, seed, options):
            continue
        base = exp.trained()
        trained = trained_key(exp, meta, seed)
        if options.train_backbone and not (
            _finished(base, meta, trained.seed, options) and (options.results / trained.path / CHECKPOINT).exists()
        ):
            runs.append((base, trained.seed))
        runs.append((exp, seed))
    return runs


def _finished(exp: Experiment, meta: Meta, seed: int | None, options: RunOptions) -> bool:
    try:
        return run_key(exp, meta, seed).record_path(options.results).exists()
    except UserError:  # no such backbone, which the run itself says
        return False


def _recorded(exp: Experiment, seed: int | None, meta: Meta, options: RunOptions, estimates: Estimates) -> float | None:
    """Return the seconds of a run by finished ones that did the same work per epoch; None where there are none."""
    try:
        key = run_key(exp, meta, seed)
    except UserError:
        return None
    here = json.loads(json.dumps(configuration(exp)))

    def alike(record: Record) -> bool:
        settings, origin = record.configuration, record.provenance
        return (
            record.key.arm == exp.arm
            and record.data.fingerprint == meta.fingerprint
            and (settings.model, settings.adapter) == (here["model"], here.get("adapter", {}))
            and all(settings.training.get(name) == here["training"][name] for name in _SAME_WORK)
            and origin.threads == torch.get_num_threads()
            and (origin.compiled, origin.cuda_graphs) == (options.compiled, options.cuda_graphs)
            and (origin.data_parallel, origin.parts) == (len(options.devices), options.num_parts)
        )

    return estimates.recorded(Job(key, (), meta.fingerprint, exp.training.num_epochs), alike)
