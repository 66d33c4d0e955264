"""The command that fills a missing cell of a table."""

from dataclasses import replace
from pathlib import Path

from stlora_ext.config.config_file import config_or_default
from stlora_ext.config.training import LENGTHS
from stlora_ext.errors import UserError
from stlora_ext.folders import RESULTS, ROOT
from stlora_ext.runs.key import RunKey
from stlora_ext.runs.reopen import CHECKPOINT, rebuild
from stlora_ext.runs.rerun import repeat_command
from stlora_ext.runs.store import PUBLISHED
from stlora_ext.tables.missing import Missing
from stlora_ext.tables.pairs import adapted_backbone
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
    key = RunKey(**record["key"])
    try:
        source = rebuild(key, record["configuration"], f"record {key.path.name}")
        path, config = config_or_default(key.dataset, cell.model)
        exp, backbone = source, None
        if cell.arm == "base" and key.arm != "base":
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


def _without_base(cell: Missing) -> str:
    key = adapted_backbone(cell.like.records[0])
    if key is None:
        return "no command is known (the records of the adapted runs don't tell their backbone's)"
    return f"no command is known (the backbone's run is {RunKey(**key).path}: put its record here)"


def _backbone(cell: Missing, results: Path) -> str | None:
    """Return what ``--from`` has to name; None where the base of the same settings and seed is what was adapted."""
    keys = [adapted_backbone(record) for record in cell.like.records]
    known = [key for key in keys if key is not None]
    if cell.base is not None and len(known) == len(keys) and _same_training(cell.base, cell.like):
        return None
    if len(known) < len(keys):
        return "BACKBONE.pt"
    folder = Path("results") if _usual(results) else results
    return str(folder / RunKey(**{**known[0], "seed": "{seed}"}).path / CHECKPOINT)


def _same_training(first: Row, second: Row) -> bool:
    base, own = (row.records[0]["configuration"]["training"] for row in (first, second))
    return all(base.get(name) == value for name, value in own.items() if name != "adapter_lr")


def _results(results: Path) -> list[str]:
    return [] if _usual(results) else ["--results", str(results)]


def _usual(results: Path) -> bool:
    return (ROOT / results).resolve() in (RESULTS, RESULTS / PUBLISHED)
