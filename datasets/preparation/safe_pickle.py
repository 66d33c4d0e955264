"""Adjacency pickles without running what they name.

A pickle is a program. This loader gives it lists, dicts, strings, numbers and inert stand-ins for numpy's
constructors; any other name is refused before it is looked up. Arrays are built here from shape, type and bytes.
"""

import io
import pickle
import pickletools
import re
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, Optional

import numpy as np

from stlora_ext.errors import UserError

_PLAIN_TYPE = re.compile(r"[fiub]\d{1,2}|[SU]\d{1,4}")


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
    """Stand-in for ``numpy.ndarray`` while its state is not known."""

    array: np.ndarray

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


def _build(raw: Any, dtype: Any, shape: Any, order: str = "C") -> np.ndarray:
    if not isinstance(dtype, _Dtype) or not isinstance(raw, (str, bytes, bytearray)):
        raise pickle.UnpicklingError("arrays of Python objects")
    data = raw.encode("latin1") if isinstance(raw, str) else bytes(raw)
    if len(data) != prod(shape) * dtype.dtype.itemsize:
        raise pickle.UnpicklingError(f"{len(data)} bytes for an array of shape {shape}")
    return np.frombuffer(data, dtype=dtype.dtype).reshape(shape, order=order)


def _frombuffer(raw: Any, dtype: Any, shape: Any, order: str) -> _Array:
    result = _Array()
    result.array = _build(raw, dtype, shape, order)
    return result


def _scalar(dtype: Any, raw: Any) -> Any:
    return _build(raw, dtype, ()).item()


def _latin1(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError(f"text in encoding {encoding!r}")
    return text.encode("latin1")


def _refuse(*_: Any) -> None:
    raise pickle.UnpicklingError("an array made otherwise than numpy makes it")


_ADMITTED = {("numpy", "dtype"): _Name(_Dtype), ("numpy", "ndarray"): _Name(_refuse),
             ("_codecs", "encode"): _Name(_latin1)}
for _core in ("numpy.core", "numpy._core"):
    _ADMITTED[f"{_core}.multiarray", "_reconstruct"] = _Name(lambda *_: _Array())
    _ADMITTED[f"{_core}.multiarray", "scalar"] = _Name(_scalar)
    _ADMITTED[f"{_core}.numeric", "_frombuffer"] = _Name(_frombuffer)


class _Loader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> _Name:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"the name {module}.{name}")
        return _ADMITTED[module, name]


def _check_sizes(program: bytes) -> None:
    """Refuse a few bytes that would claim gigabytes: a place in the memo is allocated up to its number."""
    for opcode, argument, _ in pickletools.genops(program):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument > len(program):
            raise pickle.UnpicklingError(f"the memo place {argument}")


def load_adjacency_pickle(path: Path) -> tuple[Optional[list[str]], np.ndarray]:
    """Read ``[ids, id map, matrix]``, as DCRNN's files hold it (Python 2 or 3), or the matrix alone.

    Args:
        path: The pickle.

    Returns:
        The sensor ids (None if the file holds the matrix alone) and the matrix ``[N, N]``.

    Raises:
        UserError: If it is damaged, holds something else, or names anything beyond lists, dicts, strings and arrays.
    """
    expected = "expected the list [ids, id map, matrix] of strings and a numpy array"
    try:
        program = path.read_bytes()
        _check_sizes(program)
        content = _Loader(io.BytesIO(program), encoding="latin1").load()
    except FileNotFoundError:
        raise UserError(f"graph file {path} does not exist: check --graph") from None
    except Exception as error:  # a damaged pickle can raise anything
        raise UserError(f"{path} cannot be read as an adjacency pickle (it holds {error}): {expected}; "
                        "nothing in it was run") from None
    if isinstance(content, _Array):
        return None, content.array
    if isinstance(content, list) and len(content) == 3 and isinstance(content[2], _Array):
        ids = content[0].array.tolist() if isinstance(content[0], _Array) else content[0]
        if isinstance(ids, list) and all(isinstance(name, (str, bytes, int)) for name in ids):
            return [name.decode("latin1") if isinstance(name, bytes) else str(name) for name in ids], content[2].array
    raise UserError(f"{path} holds no adjacency: {expected}")
