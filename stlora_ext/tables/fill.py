"""The command that fills a missing cell of a table."""

import json
from dataclasses import replace
from pathlib import Path
from typing import cast

from stlora_ext.config.config_file import config_or_default
from stlora_ext.config.experiment import ArmName, Experiment, configuration
from stlora_ext.config.training import LENGTHS
from stlora_ext.errors import UserError
from stlora_ext.folders import RESULTS, ROOT
from stlora_ext.runs.key import CHECKPOINT, WITHOUT_ADAPTER, RunKey
from stlora_ext.runs.rerun import rebuild, repeat_command
from stlora_ext.runs.store import PUBLISHED
from stlora_ext.tables.missing import Missing
from stlora_ext.tables.rows import Row


def fill_command(cell: Missing, results: Path, one_of_several: bool = False) -> str:
    """Return the call of ``run.py`` that fills ``cell``, or why there is none.

    Args:
        cell: The missing runs.
        results: Folder of the table's records, as the user wrote it; of published ones the runs go to the usual place.
        one_of_several: Whether the table is of one of several versions of the data set; then the command says the
            lengths of its windows, so that a version of other lengths refuses it.
    """
    record = cell.like.records[0]
    key = record.key
    try:
        source = rebuild(key, record.configuration.as_dict(), f"record {key.path.name}")
        path, config = config_or_default(key.dataset, cell.model)
        exp, backbone = source, None
        if cell.protocol == "new-sensors":
            exp = _of_split(cell, source, config)
        elif cell.protocol == "stream":
            exp, backbone = _streamed(cell, source, config), _stream_backbone(cell, source, results)
        elif cell.arm == "base" and key.arm != "base":
            if key.protocol == "adapt" and not source.backbone.fitted:
                return _without_base(cell)
            exp = source.with_arm("base")
            exp = replace(exp, training=replace(exp.training, adapter_lr=None))
        elif cell.arm != "base" and key.arm == "base":
            training = config.training if source.backbone.fitted else source.training
            lengths = {name: getattr(source.training, name) for name in LENGTHS}
            exp = replace(
                config,
                training=replace(training, adapter_lr=config.training.adapter_lr, **lengths),
                model_settings=source.model_settings,
            )
        elif cell.protocol == "adapt" and not source.backbone.fitted:
            backbone = _backbone(cell, results)
    except UserError as error:
        return f"no command is known ({error})"
    extra = ["--seeds", *map(str, cell.seeds)] if cell.seeds else []
    extra += _results(results)
    return repeat_command(exp, config, path, None, backbone_from=backbone, lengths=one_of_several, extra=extra)


def _of_split(cell: Missing, source: Experiment, config: Experiment) -> Experiment:
    """Return the experiment of missing runs with new sensors: the settings of the row, the sensors of the split."""
    arm = cast(ArmName, cell.arm)
    settings = {} if cell.split is None else cell.split.configuration.new_sensors
    drawn = {"split": settings.get("split", 0), "names": tuple(settings.get("names", ()))}
    exp = replace(source, new_sensors=replace(source.new_sensors, **drawn))
    if arm != "base" and source.adapter is None:
        training = replace(source.training, adapter_lr=config.training.adapter_lr)
        exp = replace(config, training=training, model_settings=source.model_settings, new_sensors=exp.new_sensors)
        exp = exp.with_protocol("new-sensors")
    if exp.arm == "full" and arm == "base":
        exp = replace(exp, arm="plus")  # the base of full is that of all sensors
    return exp if exp.arm == arm else exp.with_arm(arm)


def _streamed(cell: Missing, source: Experiment, config: Experiment) -> Experiment:
    """Return the experiment of a missing stream, with the settings of the one that it has to be like."""
    arm = cast(ArmName, cell.arm)
    if arm in WITHOUT_ADAPTER or source.adapter is not None:
        return source if source.arm == arm else source.with_arm(arm)
    training = replace(source.training, adapter_lr=None)
    settings = source.stream if source.arm == "base" else replace(source.stream, lr=None)  # each arm's own
    exp = replace(config, training=training, model_settings=source.model_settings, stream=settings)
    return exp.with_protocol("stream").with_arm(arm)


def _stream_backbone(cell: Missing, source: Experiment, results: Path) -> str | None:
    """Return what ``--from`` has to name; None where the settings of the stream find, or train, the backbone."""
    key = cell.like.records[0].adapted_key
    if key is None:
        return "BACKBONE.pt"
    own = key.seed is None or key.seed == cell.like.records[0].key.seed
    if own and cell.base is not None:
        before, wanted = cell.base.records[0].configuration, json.loads(json.dumps(configuration(source.trained())))
        trained_alike = all(wanted["training"].get(name) == value for name, value in before.training.items())
        if trained_alike and wanted["model"] == before.model:
            return None
    folder = Path("results") if _usual(results) else results
    path = _of_every_seed(key) if own and key.seed is not None else key.path
    return str(folder / path / CHECKPOINT)


def _without_base(cell: Missing) -> str:
    key = cell.like.records[0].adapted_key
    if key is None:
        return "no command is known (the records of the adapted runs don't tell their backbone's)"
    return f"no command is known (the backbone's run is {key.path}: put its record here)"


def _backbone(cell: Missing, results: Path) -> str | None:
    """Return what ``--from`` has to name; None where the base of the same settings and seed is what was adapted."""
    keys = [record.adapted_key for record in cell.like.records]
    known = [key for key in keys if key is not None]
    if cell.base is not None and len(known) == len(keys) and _same_training(cell.base, cell.like):
        return None
    if len(known) < len(keys):
        return "BACKBONE.pt"
    folder = Path("results") if _usual(results) else results
    return str(folder / _of_every_seed(known[0]) / CHECKPOINT)


def _of_every_seed(key: RunKey) -> Path:
    return key.path.with_name(key.path.name.removesuffix(str(key.seed)) + "{seed}")


def _same_training(first: Row, second: Row) -> bool:
    base, own = (row.records[0].configuration.training for row in (first, second))
    return all(base.get(name) == value for name, value in own.items() if name != "adapter_lr")


def _results(results: Path) -> list[str]:
    return [] if _usual(results) else ["--results", str(results)]


def _usual(results: Path) -> bool:
    return (ROOT / results).resolve() in (RESULTS, RESULTS / PUBLISHED)
