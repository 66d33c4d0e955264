"""The jobs of a sweep: from one config file to its runs in every arm, protocol and seed asked for."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stlora_ext.config.experiment import ArmName, Experiment, ProtocolName
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.runs.backbone import run_key, trained_key
from stlora_ext.runs.key import WITHOUT_ADAPTER, RunKey
from stlora_ext.runs.rerun import repeat_command
from stlora_ext.sweep.job import Job

_STATIC = ("base", "plus", "control", "wide")
ARMS_OF = {
    "fitted": _STATIC,
    "joint": _STATIC,
    "adapt": _STATIC,
    "stream": (*_STATIC, "finetune"),
    "new-sensors": ("base", "plus", "control", "full"),
}


def settings_for(config: Experiment, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of ``settings`` that the model of ``config`` has; ``model.X`` and ``adapter.X`` may be others'.

    Raises:
        UserError: If a value is of another type, or a key that isn't a model's is unknown.
    """
    has = {}
    for key, value in settings.items():
        try:
            config.override({key: value})
        except UserError as error:
            if key.startswith(("model.", "adapter.")) and str(error).startswith("unknown key"):
                continue
            raise
        has[key] = value
    return has


def variants(exp: Experiment, protocols: Sequence[ProtocolName] | None, arms: Sequence[ArmName]) -> list[Experiment]:
    """Return the experiments of one config, settings applied: one without adapter, or every arm under every protocol.

    Args:
        exp: The config's experiment.
        protocols: ``joint``, ``adapt``, ``stream``, ``new-sensors``; None: the config's. A fitted backbone's adapter
            has one protocol only, and stream.
        arms: Arms of a model with adapter; of one without, those without adapter. A protocol leaves out those that it
            hasn't.

    Raises:
        UserError: If the model can't run under ``new-sensors``.
    """
    given = [exp.protocol] if protocols is None else protocols
    variants: dict[tuple[str, str], Experiment] = {}
    for arm in arms:
        for protocol in given:
            if protocol in ("stream", "new-sensors"):
                able = arm in ARMS_OF[protocol] and (exp.adapter is not None or arm in WITHOUT_ADAPTER)
                if able and not (arm == "finetune" and exp.backbone.fitted):
                    variants[protocol, arm] = exp.with_protocol(protocol).with_arm(arm)
            elif exp.adapter is None or arm == "base":
                variants["", "base"] = exp.trained()
            elif arm in ARMS_OF[protocol]:
                chosen = exp.protocol if exp.backbone.fitted else protocol
                variants[chosen, arm] = (exp if chosen == exp.protocol else exp.with_protocol(chosen)).with_arm(arm)
    return list(variants.values())


def jobs_of(
    exp: Experiment,
    config: Experiment,
    config_path: Path | None,
    meta: Meta,
    *,
    compiled: bool = False,
    extra: Sequence[str] = (),
    added: bool = False,
) -> list[Job]:
    """Return the jobs of an experiment, one for each of its seeds.

    Args:
        exp: The experiment, in its arm and protocol.
        config: What ``config_path`` says.
        config_path: The config file of its model, or of the model that it is the base of; None: there is none.
        meta: Its data set.
        compiled: Whether they run through ``torch.compile``.
        extra: Further arguments of ``run.py``.
        added: Whether they are needed only by other jobs.
    """
    jobs = []
    adapts = exp.adapts and exp.backbone_from is None
    drawn = exp.protocol == "new-sensors" and not exp.new_sensors.names
    for seed in exp.run_seeds:
        command = repeat_command(
            exp, config, config_path, seed, backbone_from=exp.backbone_from, compiled=compiled, extra=extra
        )
        jobs.append(
            Job(
                run_key(exp, meta, seed),
                tuple(shlex.split(command)[1:]),
                meta.fingerprint,
                exp.training.num_epochs,
                trained_key(exp, meta, seed) if adapts else None,
                added,
                exp.new_sensors.split if drawn else None,
            )
        )
    return jobs


def without_idle(jobs: Sequence[Job], results: Path) -> list[Job]:
    """Return ``jobs`` without added ones whose weights no unfinished job adapts any more."""
    adapted = {job.needs for job in jobs if job.needs is not None and job.record(results) is None}
    return [job for job in jobs if not job.added or job.key in adapted]


def in_order(jobs: Iterable[Job]) -> list[Job]:
    """Return each job once, as it is run: data set by data set, seed by seed, what others need first.

    So a sweep that is stopped early leaves whole tables of fewer seeds.
    """
    unique: dict[RunKey, Job] = {}
    for job in jobs:
        if job.key not in unique or unique[job.key].added:
            unique[job.key] = job
    datasets = list(dict.fromkeys(key.dataset for key in unique))
    return sorted(
        unique.values(),
        key=lambda job: (
            datasets.index(job.key.dataset),
            -1 if job.key.seed is None else job.key.seed,
            job.key.protocol == "stream",
            job.key.arm != "base",
        ),
    )
