"""Adjacency pickles without running what they name.

A pickle is a program. This loader gives it lists, dicts, strings, numbers and inert stand-ins for numpy's
constructors; any other name is refused before it is looked up. Arrays are built here from shape, type and bytes.
"""

import io
import pickle
import pickletools
import re
import shlex
from collections.abc import Callable
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from stlora_ext.errors import UserError

_PLAIN_TYPE = re.compile(r"[fiub]\d{1,2}|[SU]\d{1,3}")
_EXPECTED = "expected the list [ids, id map, matrix] of strings and a numpy array"
_ENDS_CHANGED = "its line ends were changed, as by copying it as text; copy or download it again as binary"
_OPCODES = {opcode.code.encode("latin1"): opcode for opcode in pickletools.opcodes}


class _Dtype:
    """Stand-in for ``numpy.dtype``: numbers, booleans and fixed-width strings only."""

    def __init__(self, code: Any, *_: Any) -> None:
        if not isinstance(code, str) or not _PLAIN_TYPE.fullmatch(code):
            raise pickle.UnpicklingError(f"arrays of type {code!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        if any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError("arrays of structured type")
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stand-in for ``numpy.ndarray``; None while its state is not known."""

    array: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, raw = state
        self.array = _build(raw, dtype, shape, "F" if fortran else "C")


class _Name:
    """An admitted name: can be called by the pickle, not changed by it."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable) -> None:
        self._make = make

    def __call__(self, *args: Any) -> Any:
        return self._make(*args)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a change of a constructor")


def _build(raw: Any, dtype: Any, shape: Any, order: Any = "C") -> np.ndarray:
    if not isinstance(dtype, _Dtype) or not isinstance(raw, (str, bytes, bytearray)):
        raise pickle.UnpicklingError("arrays of Python objects")
    data = _encoded(raw) if isinstance(raw, str) else raw
    if len(data) != prod(shape) * dtype.dtype.itemsize:
        raise pickle.UnpicklingError(f"{len(data)} bytes for an array of shape {shape}")
    return np.frombuffer(data, dtype=dtype.dtype).reshape(shape, order=order)


@cache
def _encoded(text: str) -> bytes:
    """Return the bytes that a text stands for, the same ones each time: a pickle can name one text many times."""
    return text.encode("latin1")


def _frombuffer(raw: Any, dtype: Any, shape: Any, order: Any, _: Any = None) -> _Array:
    result = _Array()
    result.array = _build(raw, dtype, shape, order)
    return result


def _scalar(dtype: Any, raw: Any) -> Any:
    return _build(raw, dtype, ()).item()


def _latin1(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError(f"text in encoding {encoding!r}")
    return _encoded(text)


def _refuse(*_: Any) -> None:
    raise pickle.UnpicklingError("an array made otherwise than numpy makes it")


_ADMITTED = {
    ("numpy", "dtype"): _Name(_Dtype),
    ("numpy", "ndarray"): _Name(_refuse),
    ("_codecs", "encode"): _Name(_latin1),
}
for _core in ("numpy.core", "numpy._core"):
    _ADMITTED[f"{_core}.multiarray", "_reconstruct"] = _Name(lambda *_: _Array())
    _ADMITTED[f"{_core}.multiarray", "scalar"] = _Name(_scalar)
    _ADMITTED[f"{_core}.numeric", "_frombuffer"] = _Name(_frombuffer)


class _Loader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> _Name:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"the name {module}.{name}")
        return _ADMITTED[module, name]


class _BadLine(pickle.UnpicklingError):
    """A line that doesn't end where a pickle's line does."""


def _check_sizes(program: bytes) -> None:
    """Refuse a few bytes that would claim gigabytes, before the loader sees them.

    The loader allocates the memo up to a place's number, and a byte array before it reads it. Every opcode is read as
    far as the loader reads it; what a line holds is the loader's to judge, because pickletools takes ASCII alone.
    """
    stream = io.BytesIO(program)
    for code in iter(lambda: stream.read(1), b"."):
        opcode = _OPCODES.get(code)
        if opcode is None:
            kind = _BadLine if code.isspace() else pickle.UnpicklingError
            raise kind(f"{code!r} instead of an opcode" if code else "no end")
        if opcode.arg is None:
            continue
        if opcode.arg.n == pickletools.UP_TO_NEWLINE:
            argument = _line(stream, opcode.name)
        else:
            argument = opcode.arg.reader(stream)  # refuses more bytes than there are
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and (argument is None or argument > len(program)):
            raise pickle.UnpicklingError(f"the memo place {argument}")


def _line(stream: io.BytesIO, opcode: str) -> int | None:
    """Read the line or lines of an opcode; return the number of a place in the memo."""
    line = stream.readline()
    if opcode in ("GLOBAL", "INST"):
        stream.readline()
    good = {"PUT": rb"-?\d+\s*", "STRING": rb"(?s)(['\"]).*\1\n"}.get(opcode)
    if good is not None and not re.fullmatch(good, line):
        raise _BadLine(repr(line[:40]))
    return int(line) if opcode == "PUT" else None


def _load(program: bytes) -> Any:
    _check_sizes(program)
    try:
        return _Loader(io.BytesIO(program), encoding="latin1").load()
    finally:
        _encoded.cache_clear()


def load_plain(program: bytes, origin: str) -> Any:
    """Return the lists, dicts, strings and numbers of a pickle; nothing in it is run.

    Raises:
        UserError: If it is damaged, or names anything else.
    """
    try:
        return _load(program)
    except Exception as error:  # a damaged pickle can raise anything
        raise UserError(
            f"{origin} describes its columns by more than text and numbers ({error}): nothing in it was run; save it "
            "as CSV or Parquet"
        ) from None


def _loads(program: bytes) -> bool:
    try:
        _load(program)
    except Exception:  # a damaged pickle can raise anything
        return False
    return True


def _damage(path: Path, program: bytes, error: Exception) -> str:
    """Say what is wrong with a pickle that can't be loaded: its line ends, or what the loader said."""
    if b"\r" in program and _loads(program.replace(b"\r\n", b"\n")):
        return (
            f"{path} has CR LF where a pickle has LF: {_ENDS_CHANGED}, or turn them back: "
            f"sed -i 's/\\r$//' {shlex.quote(str(path))}"
        )
    if 0 < program.count(b"\n") == program.count(b"\r\n"):
        return f"{path} has CR LF wherever a pickle has LF: {_ENDS_CHANGED}"
    if b"\r" in program and _loads(re.sub(rb"\r+\n?", b"\n", program)):
        return f"{path} has CR where a pickle has LF: {_ENDS_CHANGED}"
    if isinstance(error, _BadLine):
        return f"{path} has a line that doesn't end as a pickle's lines do ({error}): it is damaged, or {_ENDS_CHANGED}"
    return (
        f"{path} cannot be read as an adjacency pickle (it holds {error}): {_EXPECTED}; nothing in it was run; "
        "download it again, or save the matrix with np.save and give that"
    )


def _names(ids: Any, path: Path) -> list[str] | None:
    """Return the sensor ids as text; None if that isn't what they are."""
    if isinstance(ids, _Array) and ids.array is not None and ids.array.ndim == 1:  # others can be large without bytes
        ids = ids.array.tolist()
    if not isinstance(ids, list) or not all(isinstance(name, (str, bytes, int)) for name in ids):
        return None
    names = [name.decode("latin1") if isinstance(name, bytes) else str(name) for name in ids]
    broken = next((name for name in names if "\r" in name or "\n" in name), None)
    if broken is not None:
        raise UserError(f"{path} names the sensor {broken[:40]!r}: {_ENDS_CHANGED}")
    return names


def load_adjacency_pickle(path: Path) -> tuple[list[str] | None, np.ndarray]:
    """Read ``[ids, id map, matrix]``, as DCRNN's files hold it, or the matrix alone.

    Args:
        path: The pickle, of any protocol from 0 to 5, written by Python 2 or 3.

    Returns:
        The sensor ids (None if the file holds the matrix alone) and the matrix ``[N, N]``.

    Raises:
        UserError: If it is damaged, holds something else, or names anything beyond lists, dicts, strings and arrays.
    """
    try:
        program = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"graph file {path} does not exist: check --graph") from None
    except OSError as error:
        raise UserError(f"graph file {path} cannot be read ({error.strerror}): check --graph") from None
    try:
        content = _load(program)
    except Exception as error:  # a damaged pickle can raise anything
        raise UserError(_damage(path, program, error)) from None
    ids, matrix = None, content
    if isinstance(content, list) and len(content) == 3:
        ids, matrix = _names(content[0], path), content[2]
    if isinstance(matrix, _Array) and matrix.array is not None and (ids is not None or matrix is content):
        return ids, matrix.array
    raise UserError(f"{path} holds no adjacency: {_EXPECTED}")
