"""Reading and writing run records under a results folder."""

import json
from pathlib import Path
from typing import Any

from stlora_ext.data.names import check_dataset_name
from stlora_ext.errors import UserError
from stlora_ext.files import write_json
from stlora_ext.runs.key import RunKey, checked_key
from stlora_ext.runs.record import first_problem

FORMAT = "stlora-run-record-1"
PUBLISHED = "published"
_REQUIRED = ("key", "status", "test", "data", "configuration", "training", "parameters", "provenance")


def write_record(record: dict[str, Any], results: Path) -> Path:
    """Write a record to its place under ``results``, atomically, and return the path."""
    path = checked_key(record["key"]).record_path(results)
    write_json(path, {"format": FORMAT, **record})
    return path


def read_record(path: Path) -> dict[str, Any]:
    """Read one record.

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
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            raise UserError(f"record {path} has format {record['format']!r}, expected {FORMAT}: repeat the run")
        checked_key(record["key"])
        absent = [name for name in _REQUIRED if name not in record]
        if absent:
            raise KeyError(absent[0])
    except UserError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"record {path} is damaged ({type(error).__name__}: {error}): delete it and repeat the run, or "
            "put back a whole copy"
        ) from None
    return record


def find_record(key: RunKey, results: Path) -> dict[str, Any] | None:
    """Return the record of ``key`` under ``results``; None if that run isn't finished."""
    path = key.record_path(results)
    return read_whole_record(path) if path.exists() or path.is_symlink() else None


def read_records(results: Path, dataset: str) -> list[dict[str, Any]]:
    """Read all records of a data set, in the order of their keys.

    Raises:
        UserError: If one is damaged, or ``dataset`` is no name of a data set.
    """
    check_dataset_name(dataset)
    return [read_whole_record(path) for path in sorted((results / dataset).glob("*/*.json"))]


def read_whole_record(path: Path, figures: bool = True) -> dict[str, Any]:
    """Read one record and check that every part that a table or a comparison uses is there and of its type.

    Args:
        path: The record.
        figures: Whether the figures of the test set are checked too.

    Raises:
        UserError: If it is damaged or no run record.
    """
    record = read_record(path)
    problem = first_problem(record, figures)
    if problem is not None:
        raise UserError(f"record {path} is damaged ({problem}): delete it and repeat the run, or put back a whole copy")
    return record
