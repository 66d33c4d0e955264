"""The cells of a sweep: from one config file to its runs in every arm, protocol and seed asked for."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stlora_ext.config.experiment import ArmName, Experiment, ProtocolName
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.runs.key import RunKey
from stlora_ext.runs.rerun import repeat_command
from stlora_ext.runs.run import run_key
from stlora_ext.sweep.job import Job


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
        protocols: ``joint``, ``adapt``; None: the config's. A fitted backbone's adapter has one protocol only.
        arms: Arms of a model with adapter.
    """
    if exp.adapter is None:
        return [exp]
    found = []
    for arm in arms:
        if arm == "base":
            found.append(exp.with_arm("base"))
            continue
        for protocol in [exp.protocol] if protocols is None or exp.backbone.fitted else protocols:
            found.append((exp if protocol == exp.protocol else exp.with_protocol(protocol)).with_arm(arm))
    return found


def cells_of(
    exp: Experiment,
    config: Experiment,
    config_path: Path | None,
    meta: Meta,
    *,
    compiled: bool = False,
    extra: Sequence[str] = (),
    added: bool = False,
) -> list[Job]:
    """Return the cells of an experiment, one for each of its seeds.

    Args:
        exp: The experiment, in its arm and protocol.
        config: What ``config_path`` says.
        config_path: The config file of its model, or of the model that it is the base of; None: there is none.
        meta: Its data set.
        compiled: Whether they run through ``torch.compile``.
        extra: Further arguments of ``run.py``.
        added: Whether they are needed only by other cells.
    """
    cells = []
    adapts = exp.protocol == "adapt" and not exp.backbone.fitted and exp.backbone_from is None
    for seed in exp.cell_seeds:
        command = repeat_command(
            exp, config, config_path, seed, backbone_from=exp.backbone_from, compiled=compiled, extra=extra
        )
        cells.append(
            Job(
                run_key(exp, meta, seed),
                tuple(shlex.split(command)[1:]),
                meta.fingerprint,
                exp.training.num_epochs,
                run_key(exp.with_arm("base"), meta, seed) if adapts else None,
                added,
            )
        )
    return cells


def without_idle(cells: Sequence[Job], results: Path) -> list[Job]:
    """Return ``cells`` without added ones whose weights no unfinished cell adapts any more."""
    adapted = {cell.needs for cell in cells if cell.needs is not None and cell.record(results) is None}
    return [cell for cell in cells if not cell.added or cell.key in adapted]


def in_order(cells: Iterable[Job]) -> list[Job]:
    """Return each cell once, as it is run: data set by data set, seed by seed, what others need first.

    So a sweep that is stopped early leaves whole tables of fewer seeds.
    """
    unique: dict[RunKey, Job] = {}
    for cell in cells:
        if cell.key not in unique or unique[cell.key].added:
            unique[cell.key] = cell
    datasets = list(dict.fromkeys(key.dataset for key in unique))
    return sorted(
        unique.values(),
        key=lambda cell: (
            datasets.index(cell.key.dataset),
            -1 if cell.key.seed is None else cell.key.seed,
            cell.key.arm != "base",
        ),
    )
