"""Files that are either whole or not there, whenever the process is killed."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stlora_ext.errors import UserError


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def not_a_link(path: str, flags: int) -> int:
    """``opener`` of ``open`` that doesn't follow a link: it could lead to a file of somebody else, and empty it.

    Raises:
        OSError: If ``path`` is one.
    """
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it replaces ``path``, on error it goes.

    For one writer at a time: what a killed one left is overwritten by the next.
    """
    if not path.name:
        raise UserError(f"'{path}' names no file: expected one to write")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)  # it could be a link
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        error.filename = error.filename or str(path)  # a failed write doesn't say to which file
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder; on success it replaces the folder ``path`` in one rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        for file in temporary.iterdir():
            with open(file, "rb") as handle:
                os.fsync(handle.fileno())
        if path.exists():
            replaced = path.with_name(f".{path.name}.{os.getpid()}.replaced")
            os.rename(path, replaced)
            os.rename(temporary, path)
            shutil.rmtree(replaced)
        else:
            os.rename(temporary, path)
        _sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def refuse_replacing(output: Path, read: Mapping[str, Path | None]) -> None:
    """Refuse an output that would replace what it is made from.

    Args:
        output: The file to write.
        read: What is read, by what it is; None where nothing is named.

    Raises:
        UserError: If it would.
    """
    for what, path in read.items():
        if path is not None and os.path.realpath(path) == os.path.realpath(output):
            raise UserError(f"--output {output} is {what}: name another file, this one is kept")


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as JSON, atomically; NaN and infinity are refused."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read JSON that this project wrote.

    Raises:
        UserError: If the file is damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}): delete it, or put back a whole copy") from None
