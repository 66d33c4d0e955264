"""What a record must hold, part by part, to be tabulated or compared."""

import math
from collections.abc import Callable
from typing import Any, Optional

from stlora_ext.records.key import checked_key

METRICS = ("MAE", "RMSE", "MAPE")


def _object(value: Any) -> bool:
    return isinstance(value, dict)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _number(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and math.isfinite(value))


def _scores(value: Any) -> bool:
    return _object(value) and all(metric in value and _number(value[metric]) for metric in METRICS)


def _steps(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_scores, value))


def _history(value: Any) -> bool:
    return isinstance(value, list) and all(_object(entry) and ("val" not in entry or _object(entry["val"]))
                                           for entry in value)


def _trained(value: Any) -> bool:
    return value is None or (_object(value) and (value.get("key") is None or _is_key(value["key"])))


def _is_key(value: Any) -> bool:
    try:
        checked_key(value)
    except TypeError:
        return False
    return True


_FORM: dict[str, tuple[Callable[[Any], bool], str]] = {
    "test": (_object, "an object"),
    "test.average": (_scores, "MAE, RMSE and MAPE"),
    "test.horizons": (_steps, "MAE, RMSE and MAPE of every step"),
    "data": (_object, "an object"),
    "data.fingerprint": (_text, "text"),
    "configuration": (_object, "an object"),
    "configuration.training": (_object, "an object"),
    "configuration.model": (_object, "an object"),
    "training": (_object, "an object"),
    "training.epochs": (_count, "a count"),
    "training.history": (_history, "a list of epochs"),
    "parameters": (_object, "an object"),
    "parameters.adapter": (_count, "a count"),
    "parameters.adapter_percent": (_number, "a number"),
    "provenance": (_object, "an object"),
    "trained_backbone": (_trained, "the key of a run"),
}


def first_problem(record: dict[str, Any]) -> Optional[str]:
    """Return the first part of ``record`` that isn't what it must be, and what was expected; None if all are."""
    for place, (fits, expected) in _FORM.items():
        value: Any = record
        for step in place.split("."):
            value = value.get(step)
        if not fits(value):
            return f"'{place}' is {_short(value)}, expected {expected}"
    return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
