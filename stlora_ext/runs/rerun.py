"""The command that repeats a run: what its config file doesn't say already."""

import ast
import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from stlora_ext.config.experiment import DERIVED, Experiment, configuration
from stlora_ext.config.plugins import plugin_file
from stlora_ext.config.registry import plugged_in
from stlora_ext.config.training import LENGTHS
from stlora_ext.config.without_effect import without_effect

_OPTIONS = {"num_epochs": "--epochs", "batch_size": "--batch-size"}


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
    here, there = (json.loads(json.dumps(configuration(each))) for each in (exp, config))
    return {
        name if group == "training" else f"{group}.{name}": value
        for group, values in here.items()
        for name, value in values.items()
        if not (name in DERIVED and not (lengths and group == "training")) and there.get(group, {}).get(name) != value
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
    if exp.protocol == "adapt" and not exp.backbone.fitted:
        arguments += ["--protocol", "adapt"]
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
