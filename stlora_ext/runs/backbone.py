"""The trained backbone that a run adapts or goes on from: where it lies, what identifies it, the key it makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from stlora_ext.config.experiment import Experiment
from stlora_ext.config.training import TrainingSettings
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.fields import checked, field_names
from stlora_ext.host.checkpoint import load_checkpoint
from stlora_ext.host.config import ForecastingConfig
from stlora_ext.lora.files import backbone_hash
from stlora_ext.runs.build import host_config
from stlora_ext.runs.key import CHECKPOINT, RunKey
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.record import AdaptedBackbone, Record
from stlora_ext.runs.same_data import refuse_record_of_other_data
from stlora_ext.runs.store import find_record, read_record
from stlora_ext.weights import bare_state, weights_fingerprint


@dataclass(frozen=True)
class TrainedBackbone:
    """A checkpoint with a backbone's weights.

    Attributes:
        path: The file.
        key: Key of the run that wrote it, by the record beside its folder; None without one.
        weights: Hash of its weights.
        fingerprint: Fingerprint of the data that it was trained on; None where it doesn't say.
    """

    path: Path
    key: RunKey | None
    weights: str
    fingerprint: str | None


def run_key(exp: Experiment, meta: Meta, seed: int | None) -> RunKey:
    """Return the key of one run."""
    config_hash = run_config(exp, meta, seed, RunOptions()).md5[:8]
    return RunKey(exp.dataset, exp.model, exp.protocol, exp.arm, config_hash, seed)


def run_config(
    exp: Experiment, meta: Meta, seed: int | None, options: RunOptions, run_dir: Path | None = None
) -> ForecastingConfig:
    """Return the host's configuration of one run, as ``build.host_config``, with the backbone that it adapts."""
    exp = as_trained(exp, seed)
    return host_config(exp, meta, seed, options, run_dir, _configured(exp, meta, seed))


def with_backbone(
    exp: Experiment, meta: Meta, seed: int | None, options: RunOptions, train: Callable[..., object]
) -> Experiment:
    """Name the trained backbone that ``exp`` adapts, training it first where ``options`` say so.

    Args:
        exp: The experiment.
        meta: Its data set.
        seed: The seed of the run.
        options: How it is executed.
        train: ``train_run``.

    Raises:
        UserError: If there is none, or it was trained on other data.
    """
    if not exp.adapts:
        return exp
    named = exp.backbone_from
    if exp.protocol == "stream" and exp.stream.start == "adapted" and named is not None and exp.backbone.fitted:
        raise UserError(
            f"--from {named}: stream.start=adapted goes on from an adapter and the {exp.backbone.name} that its run "
            "fitted; leave --from out"
        )
    if named is None:
        path = _found(exp, exp.trained(), trained_key(exp, meta, seed), meta, options, train)
        exp = replace(exp, backbone_from=str(path))
    if exp.protocol == "stream" and exp.stream.start == "adapted" and exp.adapter_from is None:
        adapted = exp.with_protocol("adapt", None if exp.backbone.fitted else exp.backbone_from)
        path = _found(exp, adapted, run_key(adapted, meta, seed), meta, options, train, named)
        exp = replace(exp, adapter_from=str(path))
    return exp


def _found(
    exp: Experiment,
    needed: Experiment,
    key: RunKey,
    meta: Meta,
    options: RunOptions,
    train: Callable[..., object],
    named: str | None = None,
) -> Path:
    """Return the checkpoint of the run ``key`` of ``needed``, which a run of ``exp`` goes on from.

    ``named`` is the backbone of ``--from`` where that run adapted it.
    """
    path = options.results / key.path / CHECKPOINT
    record = find_record(key, options.results)
    if record is not None:
        refuse_record_of_other_data(record, meta, options.results)
    if record is None or not path.exists():
        if not options.train_backbone:
            remedy = "--train-backbone trains it first" if named is None else f"--protocol adapt --from {named} runs it"
            raise UserError(
                f"--protocol {exp.protocol}: there is no trained {needed.model} of these settings and this seed at "
                f"{path}; {remedy}" + ", --from PATH names another one" * (needed.protocol in ("joint", "fitted"))
            )
        options = replace(options, save_results=False)
        if needed.backbone.fitted:  # in one process, without steps
            options = replace(options, parts=1, processes=1)
        train(needed, meta, key.seed, options, force=not path.exists())
    return path


def adapted_backbone(exp: Experiment, meta: Meta, seed: int | None, backbone: nn.Module) -> AdaptedBackbone | None:
    """Return what a record says of the backbone that a run went on from; None where there was none.

    Args:
        exp: The experiment.
        meta: Its data set.
        seed: The seed of the run.
        backbone: The backbone in the run.
    """
    if not exp.adapts and exp.protocol != "adapt":
        return None
    path = named_backbone(exp, seed)
    if path is None:  # fitted by the run itself
        return AdaptedBackbone(None, backbone_hash(backbone), meta.fingerprint)
    trained = read_backbone(path, exp, meta)
    weights = trained.weights if exp.arm == "finetune" else backbone_hash(backbone)
    return AdaptedBackbone(trained.key, weights, trained.fingerprint)


def trained_key(exp: Experiment, meta: Meta, seed: int | None) -> RunKey:
    """Return the key of the run that trains the backbone which a run of ``exp`` goes on from."""
    base = exp.trained()
    return run_key(base, meta, None if base.run_seeds == (None,) else seed)


def _configured(exp: Experiment, meta: Meta, seed: int | None) -> dict[str, str | None]:
    """Return what the configuration says of the trained backbone that is adapted."""
    if not exp.adapts:
        return {}
    path = named_backbone(exp, seed)
    if path is None:
        return {"backbone_hash": trained_key(exp, meta, seed).config_hash}
    backbone = read_backbone(path, exp, meta)
    identity = backbone.weights if backbone.key is None else _identity_of(backbone.key, exp, seed)
    return {"backbone_from": str(path), "backbone_weights": backbone.weights, "backbone_hash": identity}


def named_backbone(exp: Experiment, seed: int | None) -> Path | None:
    """Return the checkpoint that ``--from`` names, with ``{seed}`` filled in; None where nothing is named."""
    return None if exp.backbone_from is None else Path(exp.backbone_from.replace("{seed}", str(seed)))


def read_backbone(path: Path, exp: Experiment, meta: Meta) -> TrainedBackbone:
    """Read what identifies a trained backbone.

    Args:
        path: Its checkpoint.
        exp: The experiment that adapts it.
        meta: The data set of that experiment.

    Raises:
        UserError: If the checkpoint is absent, damaged, one with an adapter, of another model, of one that saw other
            inputs, or of other data.
    """
    if not path.exists():
        raise UserError(
            f"--from {path} does not exist: expected the model.pt of a finished run of {exp.backbone.name}; leave it "
            "out, and --train-backbone trains one"
        )
    content = load_checkpoint(path)
    state, stats = bare_state(content.get("model_state_dict") or {}), content.get("scaler_stats")
    expected = "expected the model.pt of a finished base run"
    if not state:
        raise UserError(f"checkpoint {path} holds no model: {expected}")
    if any(name.startswith("adapter.") for name in state):
        raise UserError(f"checkpoint {path} carries an adapter already: {expected}")
    if isinstance(stats, dict) and any(torch.is_tensor(stat) and stat.numel() > 1 for stat in stats.values()):
        raise UserError(
            f"checkpoint {path} was trained on readings normalised sensor by sensor, as in stock BasicTS: "
            "expected one mean and std for all; train the base run here (--train-backbone)"
        )
    record = _record_beside(path)
    key = None if record is None else record.key
    if key is not None and key.model != exp.backbone.name:
        raise UserError(f"--from {path} is a run of {key.model}, expected one of {exp.backbone.name}")
    if record is not None and record.key.arm == "finetune":
        base = record.adapted_key
        such = "" if base is None else f", such as that of {base.path}"
        raise UserError(f"--from {path} is of a run that updated every weight on the test data: {expected}{such}")
    backbone = TrainedBackbone(path, key, weights_fingerprint(state), content.get("data_fingerprint"))
    if backbone.fingerprint not in (None, meta.fingerprint):
        raise UserError(
            f"the backbone {path} was trained on other data ({backbone.fingerprint[:19]}, {meta.name} is "
            f"now {meta.fingerprint[:19]}): train one on these data (--train-backbone without --from), or "
            "prepare the earlier data again"
        )
    return backbone


def _record_beside(path: Path) -> Record | None:
    folder = path.absolute().parent
    record = folder.with_name(f"{folder.name}.json")
    return read_record(record) if record.exists() else None


def as_trained(exp: Experiment, seed: int | None) -> Experiment:
    """Return the experiment of a stream with the settings of training of the backbone that ``--from`` names.

    Its updates go by them: batch, clipping, learning rate and decay of weights. Where no record tells them, they stay.
    """
    path = named_backbone(exp, seed)
    record = None if path is None or exp.protocol != "stream" or exp.backbone.fitted else _record_beside(path)
    if record is None:
        return exp
    training = checked(TrainingSettings, record.configuration.training)
    return replace(exp, training=replace(exp.training, **{**training, "adapter_lr": exp.training.adapter_lr}))


def refuse_other_training(exp: Experiment, given: Mapping[str, Any]) -> None:
    """Refuse settings of training that were given and aren't those of the backbone that ``--from`` names.

    Raises:
        UserError: On such a setting.
    """
    for seed in exp.run_seeds:
        stated, own = (one.training for one in (exp, as_trained(exp, seed)))
        for name in (name for name in given if name in field_names(TrainingSettings)):
            if getattr(stated, name) != getattr(own, name):
                raise UserError(
                    f"{name}={given[name]}: the backbone {named_backbone(exp, seed)} was trained with "
                    f"{getattr(own, name)}, by which its updates go; leave it out"
                )


def recorded_identity(record: Record, exp: Experiment) -> str | None:
    """Return what stood for the backbone of a recorded run in the hash of its configuration.

    That is the hash of its own run's configuration where a record tells it, so that the runs of all seeds, each from
    the backbone of its seed, are runs of one configuration; else the hash of its weights.
    """
    adapted = record.adapted or AdaptedBackbone()
    return adapted.weights if adapted.key is None else _identity_of(adapted.key, exp, record.key.seed)


def _identity_of(key: RunKey, exp: Experiment, seed: int | None) -> str:
    identity = key.config_hash if key.dataset == exp.dataset else f"{key.dataset}-{key.config_hash}"
    return identity if key.seed in (seed, None) else f"{identity}-seed{key.seed}"
