"""Adjacency pickles as other versions of Python and numpy write them."""

import pickle
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np


@dataclass(frozen=True)
class _Global:
    module: str
    name: str


@dataclass(frozen=True)
class _Made:
    """What ``make(*arguments)`` returns, its state set where there is one."""

    make: _Global
    arguments: tuple
    state: Any = None


def _python2_array(array: np.ndarray) -> _Made:
    kind = _Made(
        _Global("numpy", "dtype"),
        (array.dtype.str[1:].encode(), 0, 1),
        (3, array.dtype.str[:1].encode(), None, None, None, -1, -1, 0),
    )
    empty = (_Global("numpy", "ndarray"), (0,), b"b")
    return _Made(
        _Global("numpy.core.multiarray", "_reconstruct"), empty, (1, array.shape, kind, False, array.tobytes())
    )


def python2_pickle(content: Any, protocol: int) -> bytes:
    """Return the pickle that Python 2.7 with numpy 1 makes of lists, dicts, numbers, bytes (its str), str and arrays.

    No object is named twice, so none is fetched from the memo.
    """
    text = protocol == 0
    places = count()

    def put() -> bytes:
        return b"p%d\n" % next(places) if text else b"q%c" % next(places)

    def save(value: Any) -> bytes:
        if isinstance(value, np.ndarray):
            return save(_python2_array(value))
        if isinstance(value, _Global):
            return f"c{value.module}\n{value.name}\n".encode() + put()
        if isinstance(value, _Made):
            made = save(value.make) + save(value.arguments) + b"R" + put()
            return made if value.state is None else made + save(value.state) + b"b"
        if value is None:
            return b"N"
        if isinstance(value, bool):
            return b"\x88\x89"[1 - value : 2 - value] if protocol == 2 else b"I%02d\n" % value
        if isinstance(value, int):
            return (
                b"I%d\n" % value
                if text
                else b"K%c" % value
                if 0 <= value < 256
                else b"J" + value.to_bytes(4, "little", signed=True)
            )
        if isinstance(value, bytes):
            written = (
                b"S" + repr(value)[1:].encode() + b"\n"
                if text
                else b"U%c" % len(value) + value
                if len(value) < 256
                else b"T" + len(value).to_bytes(4, "little") + value
            )
            return written + put()
        if isinstance(value, str):
            encoded = value.encode("raw-unicode-escape" if text else "utf-8")
            return (b"V" + encoded + b"\n" if text else b"X" + len(encoded).to_bytes(4, "little") + encoded) + put()
        if isinstance(value, tuple):
            short = protocol == 2 and len(value) <= 3
            parts = b"".join(map(save, value))
            return (parts + b"\x84\x85\x86\x87"[len(value) : len(value) + 1] if short else b"(" + parts + b"t") + put()
        if isinstance(value, list):
            begun = (b"(l" if text else b"]") + put()
            return begun + (
                b"".join(save(item) + b"a" for item in value) if text else b"(" + b"".join(map(save, value)) + b"e"
            )
        begun = (b"(d" if text else b"}") + put()
        pairs = [(save(key), save(item)) for key, item in value.items()]
        return begun + (
            b"".join(key + item + b"s" for key, item in pairs)
            if text
            else b"(" + b"".join(key + item for key, item in pairs) + b"u"
        )

    return b"\x80\x02" * (protocol == 2) + save(content) + b"."


def numpy1_pickle(content: Any, protocol: int) -> bytes:
    """Return the pickle that Python 3 with numpy 1 makes: its modules have other names."""
    program = pickle.dumps(content, protocol)
    for module in ("multiarray", "numeric"):
        new, old = f"numpy._core.{module}".encode(), f"numpy.core.{module}".encode()
        program = program.replace(b"\x8c%c" % len(new) + new, b"\x8c%c" % len(old) + old).replace(new, old)
    return program if protocol < 4 else program[:2] + program[11:]  # a frame may be left out, a wrong length may not
