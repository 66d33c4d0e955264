"""Fields of frozen dataclasses: how a user's key=value reaches them with name and type checked."""

import ast
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from stlora_ext.errors import UserError, nearest

_WORDS = {int: "a whole number such as 3", float: "a number such as 0.1", bool: "True or False"}


def field_names(cls: type) -> list[str]:
    """Return the names of a dataclass's public fields."""
    return [field.name for field in fields(cls) if not field.name.startswith("_")]


def checked(cls: type, values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return ``values`` with every key a field of the dataclass ``cls`` and every value of its type.

    Raises:
        UserError: On an unknown key, with the nearest one, or a value of another type.
    """
    names, hints, result = field_names(cls), get_type_hints(cls), {}
    unset = {field.name for field in fields(cls) if field.default is None}  # BasicTS types such a field int
    for key, value in values.items():
        if key not in names:
            raise UserError(f"unknown key '{prefix}{key}': {nearest(key, names)}")
        result[key] = None if value is None and key in unset else _coerce(f"{prefix}{key}", value, hints[key])
    return result


def parse_assignments(assignments: list[str]) -> dict[str, Any]:
    """Parse ``["lr=0.01", "model.dropout=0.2"]`` into a dictionary; values are Python literals or text.

    Raises:
        UserError: On anything but key=value, and on a key with two different values.
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals or not key:
            raise UserError(f"--set {assignment}: expected key=value, for example --set lr=0.001")
        try:
            value = ast.literal_eval(text)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            value = text
        if values.setdefault(key, value) != value:
            raise UserError(f"--set {key}: it is given twice, as {values[key]} and {value}; leave one of them out")
    return values


def _coerce(name: str, value: Any, hint: Any) -> Any:
    if get_origin(hint) is None and hint in (int, float, bool, str):
        if hint is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, hint) and not (hint in (int, float) and isinstance(value, bool)):
            if hint is float and not math.isfinite(value):
                raise UserError(f"{name}={value}: expected a finite number")
            return value
        expected = f"text, as in '{value}' with its quotes" if hint is str else _WORDS[hint]
        raise UserError(f"{name}={value!r}: expected {expected}")
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise UserError(f"{name}={value!r}: {nearest(str(value), map(str, get_args(hint)))}")
        return value
    if get_origin(hint) is tuple:
        if isinstance(value, (list, tuple)):
            of = get_args(hint)[0]
            items = (str(item) if of is str and type(item) is int else item for item in value)  # names such as 401
            return tuple(_coerce(name, item, of) for item in items)
        example = "['a', 'b'], with these quotes" if get_args(hint)[0] is str else "[1, 50]"
        raise UserError(f"{name}={value!r}: expected a list such as {example}")
    if type(None) in get_args(hint):
        if value is None:
            return None
        return _coerce(name, value, next(arg for arg in get_args(hint) if arg is not type(None)))
    return value
