"""A finished run replaced by its repetition: the old one stays until the new one is whole, and then goes entirely.

The repetition works in ``repeat/`` within the run's folder. Once it is whole, with its record beside its weights, the
folder is swept and the repetition moves up; a process that is killed in between is followed by one that completes it.
"""

import os
import shutil
from pathlib import Path

from stlora_ext.errors import UserError
from stlora_ext.files import read_json, write_json
from stlora_ext.runs.lock import LOCK
from stlora_ext.runs.record import Record
from stlora_ext.runs.record_check import NoRecordError
from stlora_ext.runs.store import write_record

REPEAT = "repeat"
_MOVING, _RECORD = "repeat.whole", "record.json"
_KEPT = (LOCK, REPEAT, "sweep.log")  # the last is being written while a sweep runs this


def replace_run(run_dir: Path, record: Record, results: Path) -> None:
    """Put the repetition in ``run_dir/repeat``, which is whole, and its record in the place of the run."""
    write_json(run_dir / REPEAT / _RECORD, record.content)
    complete_replacement(run_dir, results)


def complete_replacement(run_dir: Path, results: Path) -> None:
    """Complete a replacement that was begun, if any."""
    repeat, moving = run_dir / REPEAT, run_dir / _MOVING
    if (repeat / _RECORD).exists():
        for item in run_dir.iterdir():
            if item.name not in _KEPT:
                shutil.rmtree(item) if item.is_dir() and not item.is_symlink() else item.unlink()
        os.rename(repeat, moving)
    if not moving.exists():
        return
    for item in moving.iterdir():
        if item.name != _RECORD:
            os.rename(item, run_dir / item.name)
    if (moving / _RECORD).exists():
        write_record(_read(moving / _RECORD), results)
    shutil.rmtree(moving)


def _read(path: Path) -> Record:
    content = read_json(path)
    try:
        return Record.of(content)
    except NoRecordError as error:
        raise UserError(f"{path} is damaged ({error}): delete it, or put back a whole copy") from None
