"""Arrays from ``.npy`` and ``.npz`` files that anyone may have written.

Python objects are never loaded, and a header that claims more than its file holds is refused before memory is taken.
"""

import math
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

_MAGIC = b"\x93NUMPY"
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
DENSEST = 1100  # deflate makes at most about 1,032 bytes of one


def load_npy(path: Path, memmap: bool = False) -> np.ndarray:
    """Read one array, or map it.

    Raises:
        OSError: If the file can't be opened.
        ValueError: If it is no plain array, or damaged.
    """
    with open(path, "rb") as file:
        begin = file.read(len(_MAGIC))
    if begin != _MAGIC:
        kind = "an archive: give it the ending .npz" if begin.startswith(b"PK") else "no array: it doesn't begin as one"
        raise ValueError(f"it is {kind}")
    with _plain_errors():  # mapped first: a mapping can't be longer than the file
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        return array if memmap else np.array(array)


def load_npz(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of an archive.

    Raises:
        OSError: If the file can't be opened.
        ValueError: If it is no archive of plain arrays, or damaged.
    """
    arrays = {}
    with open(path, "rb") as file, _plain_errors(), zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if info.filename.endswith(".npy"):
                with archive.open(info) as member:
                    _check_claim(member, info)
                with archive.open(info) as member:
                    arrays[info.filename.removesuffix(".npy")] = np.lib.format.read_array(member, allow_pickle=False)
    return arrays


def _check_claim(member: IO[bytes], info: zipfile.ZipInfo) -> None:
    version = np.lib.format.read_magic(member)
    if version not in _HEADERS:
        raise ValueError(f"'{info.filename}' is of the unknown version {version}")
    shape, _, dtype = _HEADERS[version](member)
    if dtype.hasobject:
        raise ValueError(f"'{info.filename}' holds Python objects")
    claimed = math.prod(shape) * dtype.itemsize
    if claimed != info.file_size - member.tell() or info.file_size > DENSEST * info.compress_size:
        raise ValueError(f"'{info.filename}' claims {claimed} bytes that it doesn't hold")


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn whatever a damaged file raises into a ValueError, and its warnings into silence."""
    try:
        with np.errstate(over="raise"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except OSError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise almost anything on damaged bytes, which they quote
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise ValueError(kind + str(error)[:200]) from None
