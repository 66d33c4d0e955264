"""Reading and writing run records under a results folder."""

import json
from pathlib import Path

from stlora_ext.data.names import check_dataset_name
from stlora_ext.errors import UserError
from stlora_ext.files import write_json
from stlora_ext.runs.key import RunKey
from stlora_ext.runs.record import Record
from stlora_ext.runs.record_check import FORMAT, NoRecordError

PUBLISHED = "published"


def write_record(record: Record, results: Path) -> Path:
    """Write a record to its place under ``results``, atomically, and return the path."""
    path = record.key.record_path(results)
    write_json(path, {"format": FORMAT, **record.content})
    return path


def read_record(path: Path) -> Record:
    """Read one record and check every part of it.

    Raises:
        UserError: If it is damaged, no run record, or a link.
        OSError: If it can't be opened.
    """
    if path.is_symlink():
        raise UserError(
            f"record {path} is a link, which is never followed: put the file itself there, or name the "
            "folder that holds it with --results DIR"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        written_as = content["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from None
    if written_as != FORMAT:
        raise UserError(f"record {path} has format {written_as!r}, expected {FORMAT}: repeat the run")
    try:
        return Record.of(content)
    except NoRecordError as error:
        raise _damaged(path, str(error)) from None


def _damaged(path: Path, problem: str) -> UserError:
    return UserError(f"record {path} is damaged ({problem}): delete it and repeat the run, or put back a whole copy")


def find_record(key: RunKey, results: Path) -> Record | None:
    """Return the record of ``key`` under ``results``; None if that run isn't finished."""
    path = key.record_path(results)
    return read_record(path) if path.exists() or path.is_symlink() else None


def read_records(results: Path, dataset: str) -> list[Record]:
    """Read all records of a data set, in the order of their keys.

    Raises:
        UserError: If one is damaged, or ``dataset`` is no name of a data set.
    """
    check_dataset_name(dataset)
    return [read_record(path) for path in sorted((results / dataset).glob("*/*.json"))]
