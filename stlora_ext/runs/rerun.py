"""A recorded run's experiment, and the command that repeats it: what its config file doesn't say already."""

import ast
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

from stlora_ext.config.config_file import config_or_default
from stlora_ext.config.experiment import DERIVED, ArmName, Experiment, ProtocolName, configuration, experiment
from stlora_ext.config.new_sensors import NewSensorsSettings
from stlora_ext.config.plugins import plugin_file
from stlora_ext.config.registry import plugged_in
from stlora_ext.config.stream import StreamSettings
from stlora_ext.config.training import LENGTHS, TrainingSettings
from stlora_ext.config.without_effect import without_effect
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.fields import checked
from stlora_ext.folders import DATA, RESULTS
from stlora_ext.lora.settings import STLoRAConfig
from stlora_ext.options import folder_arguments
from stlora_ext.runs.backbone import trained_key
from stlora_ext.runs.key import ARMS, CHECKPOINT, WITHOUT_ADAPTER, RunKey
from stlora_ext.runs.record import Record

_OPTIONS = {"num_epochs": "--epochs", "batch_size": "--batch-size"}


def rebuild(key: RunKey, settings: Mapping[str, Any], source: str) -> Experiment:
    """Build the experiment of a run from its key and its configuration; settings that these lack have their defaults.

    Args:
        key: The key.
        settings: What ``experiment.configuration`` returned, also as JSON has it.
        source: Where they come from, for messages.

    Raises:
        UserError: If they are damaged or name what this version doesn't know.
    """
    try:
        known = key.arm in ARMS and key.protocol in get_args(ProtocolName)
        if not known or (key.arm in WITHOUT_ADAPTER) == key.model.endswith("+"):
            raise ValueError(f"{key.model}, protocol {key.protocol}, arm {key.arm}")
        exp = experiment(key.dataset, key.model)
        adapter = STLoRAConfig(**checked(STLoRAConfig, settings["adapter"], "adapter.")) if exp.adapter else None
        return replace(
            exp,
            arm=cast(ArmName, key.arm),
            protocol=cast(ProtocolName, key.protocol),
            adapter=adapter,
            seeds=exp.seeds if key.seed is None else (key.seed,),
            training=TrainingSettings(**checked(TrainingSettings, settings["training"])),
            new_sensors=NewSensorsSettings(
                **checked(NewSensorsSettings, settings.get("new_sensors") or {}, "new_sensors.")
            ),
            stream=StreamSettings(**checked(StreamSettings, settings.get("stream") or {}, "stream.")),
            model_settings=checked(exp.backbone.config, settings["model"], "model."),
        )
    except UserError as error:
        raise UserError(
            f"{source}: {error} It was written by another version (repeat the run), or with a backbone of "
            "your own (name the file that registers it, --plugins FILE)"
        ) from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError(
            f"{source} is damaged ({type(error).__name__}: {error}): put back a whole copy, or repeat the run"
        ) from None


def how_to_repeat(record: Record, meta: Meta, results: Path = RESULTS, data: Path = DATA) -> str:
    """Return the command that repeats the run of a record, into ``results``.

    Args:
        record: The record.
        meta: Its data set.
        results: Where runs and records go; a finished run there is replaced.
        data: Folder of the prepared data sets.
    """
    exp = rebuild(record.key, record.configuration.as_dict(), f"record {record.key.path.name}")
    path, config = config_or_default(exp.dataset, exp.model)
    extra = folder_arguments(results, data)
    origin = record.provenance
    if origin.data_parallel > 1 and str(origin.hardware).startswith("CPU"):  # of GPUs, those of here have numbers
        extra += ["--processes", str(origin.data_parallel)]
    if origin.parts > 1:
        extra += ["--parts", str(origin.parts)]
    extra += ["--force"] * record.key.record_path(results).exists()
    return repeat_command(
        exp,
        config,
        path,
        record.key.seed,
        backbone_from=_backbone_from(record, exp, meta, results),
        compiled=record.provenance.compiled,
        extra=extra,
    )


def _backbone_from(record: Record, exp: Experiment, meta: Meta, results: Path) -> str | None:
    """Return the checkpoint that an adapted run names with ``--from``; None where it names none."""
    if not exp.adapts:
        return None
    key = record.adapted_key
    if key is None:
        return "BACKBONE.pt"
    usual = trained_key(exp, meta, record.key.seed)
    return None if key == usual else str(results / key.path / CHECKPOINT)


def differences(exp: Experiment, config: Experiment, lengths: bool = False) -> dict[str, Any]:
    """Return the settings of ``exp`` that differ from those of ``config``, by the keys that ``--set`` takes.

    Args:
        exp: The experiment of a run.
        config: What the config file of the same model says.
        lengths: Whether the lengths of a window count; else they are left to the data set, which has no others.
    """
    of_run = [getattr(exp.training, name) for name in LENGTHS]
    if None not in of_run:  # what follows from them is no difference
        config = replace(config.with_lengths(*of_run), training=config.training)
    config = replace(config, protocol=exp.protocol)  # with the settings that this protocol has
    settings, usual = (json.loads(json.dumps(configuration(one))) for one in (exp, config))
    return {
        name if group == "training" else f"{group}.{name}": value
        for group, values in settings.items()
        for name, value in values.items()
        if not (name in DERIVED and not (lengths and group == "training")) and usual.get(group, {}).get(name) != value
    }


def repeat_command(
    exp: Experiment,
    config: Experiment,
    config_path: Path | None,
    seed: int | None,
    *,
    backbone_from: str | None = None,
    compiled: bool = False,
    lengths: bool = False,
    extra: Sequence[str] = (),
) -> str:
    """Return the call of ``run.py`` that repeats one run.

    Args:
        exp: The run's experiment.
        config: What ``config_path`` says.
        config_path: The config file of the run's model; None: data set and model by name.
        seed: The run's seed; None where no seed changes the result.
        backbone_from: Of a run that adapted a trained backbone, its checkpoint; None: that of the base arm's run with
            the same settings and seed, which is trained first where it isn't there.
        compiled: Whether the run went through ``torch.compile``.
        lengths: Whether it says the lengths of the run's windows, so that a data set of others refuses it.
        extra: Further arguments, such as ``--results DIR``.

    Returns:
        str: A shell command.
    """
    arguments = ["-c", str(config_path)] if config_path else ["--dataset", config.dataset, "--model", config.model]
    if seed is not None:
        arguments += ["--seeds", str(seed)]
    changed = differences(exp, config, lengths)
    idle = without_effect(replace(exp, backbone_from=backbone_from), config, changed)
    for name, option in _OPTIONS.items():
        if name in changed:
            arguments += [option, str(changed.pop(name))]
    if changed.get("bf16") is True:
        arguments.append("--bf16")
        del changed["bf16"]
    if changed:
        arguments += ["--set", *(f"{key}={_literal(value)}" for key, value in changed.items())]
    arguments += ["--as-recorded"] * bool(idle)
    if exp.protocol == "new-sensors" and not exp.adapts:
        arguments += ["--protocol", exp.protocol]
    if exp.adapts:
        arguments += ["--protocol", exp.protocol]
        arguments += ["--train-backbone"] if backbone_from is None else ["--from", backbone_from]
    if exp.arm != config.arm:
        arguments += ["--arm", exp.arm]
    arguments += ["--compile"] * compiled
    if plugged_in(exp.backbone.name):
        arguments += ["--plugins", str(plugin_file())]
    return shlex.join(["python", "experiments/run.py", *arguments, *extra])


def _literal(value: Any) -> str:
    """Write a setting so that ``parse_assignments`` reads it back."""
    if not isinstance(value, str):
        return repr(value)
    try:
        ast.literal_eval(value.strip())
    except (ValueError, SyntaxError):
        return value
    return repr(value)
