"""What a sweep leaves of a run that failed: a file beside the place of its record, gone once there is one."""

from pathlib import Path

from stlora_ext.errors import UserError
from stlora_ext.files import read_json, write_json
from stlora_ext.runs.key import RunKey, checked_key

SUFFIX = ".failed"


def write_failure(key: RunKey, reason: str, results: Path) -> None:
    """Say in ``results`` why a run failed."""
    write_json(_path(key, results), {"key": key.as_dict(), "reason": reason})


def read_failures(results: Path, dataset: str) -> list[tuple[RunKey, str]]:
    """Return the runs on a data set that failed and haven't finished since, by path, each with its reason."""
    failures = []
    for path in sorted((results / dataset).glob(f"*/*{SUFFIX}")):
        try:
            content = read_json(path)
            key, reason = checked_key(content["key"]), str(content["reason"])
        except UserError:  # a line that a table lacks isn't worth an error
            continue
        except (OSError, ValueError, TypeError, KeyError):
            continue
        if path == _path(key, results) and not key.record_path(results).exists():
            failures.append((key, reason))
    return failures


def _path(key: RunKey, results: Path) -> Path:
    record = key.record_path(results)
    return record.with_name(f"{record.stem}{SUFFIX}")
