"""What evaluate.py and predict.py share: a finished run, its data set, and the command that repeats it."""

from pathlib import Path
from typing import Any

from stlora_ext.config.config_file import config_or_default
from stlora_ext.data.available import open_dataset
from stlora_ext.data.fingerprint import refuse_changed_data
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.folders import DATA, RESULTS
from stlora_ext.runs.key import RunKey
from stlora_ext.runs.reopen import CHECKPOINT, OTHER_DATA_REMEDY, FinishedRun, find_run, rebuild
from stlora_ext.runs.rerun import repeat_command
from stlora_ext.runs.run import run_key
from stlora_ext.runs.same_data import refuse_other_data


def open_run(path: Path, results: Path, data: Path) -> tuple[FinishedRun, Meta]:
    """Open a finished run and its data set; a simulated set that isn't there is made first.

    Args:
        path: The run's record or its model.pt.
        results: Folder of the runs.
        data: Folder of the prepared data sets.

    Raises:
        UserError: If the record or the data set is absent, damaged or not the run's, or there is no checkpoint, with
            the command that repeats the run.
    """
    run = find_run(path, results)
    meta = open_dataset(run.exp.dataset, data)
    refuse_changed_data(data, meta)
    refuse_other_data(run.record["data"], meta, f"record {run.path}", OTHER_DATA_REMEDY)
    if run.checkpoint is None:
        raise UserError(
            f"the checkpoint of {run.path} is not there (looked for {', '.join(map(str, run.places))}): "
            f"repeat the run with: {how_to_repeat(run.record, meta, results, data)}"
        )
    return run, meta


def how_to_repeat(record: dict[str, Any], meta: Meta, results: Path = RESULTS, data: Path = DATA) -> str:
    """Return the command that repeats the run of a record, into ``results``.

    Args:
        record: The record.
        meta: Its data set.
        results: Where runs and records go; a finished run there is replaced.
        data: Folder of the prepared data sets.
    """
    key = RunKey(**record["key"])
    exp = rebuild(key, record["configuration"], f"record {key.path.name}")
    path, config = config_or_default(exp.dataset, exp.model)
    extra = [
        text
        for option, here, usual in (("--results", results, RESULTS), ("--data", data, DATA))
        if here.resolve() != usual
        for text in (option, str(here))
    ]
    extra += ["--force"] * key.record_path(results).exists()
    return repeat_command(
        exp,
        config,
        path,
        key.seed,
        backbone_from=_backbone_from(record, exp, meta, results),
        compiled=record["provenance"].get("compiled", False),
        extra=extra,
    )


def _backbone_from(record: dict[str, Any], exp: Any, meta: Meta, results: Path) -> Any:
    """Return the checkpoint that an adapted run names with ``--from``; None where it names none."""
    if exp.protocol != "adapt" or exp.backbone.fitted:
        return None
    key = (record.get("trained_backbone") or {}).get("key")
    if key is None:
        return "BACKBONE.pt"
    key = RunKey(**key)
    usual = run_key(exp.with_arm("base"), meta, record["key"]["seed"])
    return None if key == usual else str(results / key.path / CHECKPOINT)
