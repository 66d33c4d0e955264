"""What a record must hold, part by part, to be tabulated or compared."""

from collections.abc import Callable
from typing import Any

from stlora_ext.runs.key import ARMS, checked_key

METRICS = ("MAE", "RMSE", "MAPE")
LARGEST = 1e30  # its square is a number too; NaN is below nothing


def _object(value: Any) -> bool:
    return isinstance(value, dict)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _number(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and abs(value) <= LARGEST)


def _scores(value: Any) -> bool:
    return _object(value) and all(metric in value and _number(value[metric]) for metric in METRICS)


def _steps(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_scores, value))


def _history(value: Any) -> bool:
    return isinstance(value, list) and all(
        _object(entry) and ("val" not in entry or (_object(entry["val"]) and _number(entry["val"].get("MAE"))))
        for entry in value
    )


def _nodes(value: Any) -> bool:
    return value is None or (_object(value) and isinstance(value.get("MAE"), list) and all(map(_number, value["MAE"])))


def _interval(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < LARGEST


def _flag(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _arm(value: Any) -> bool:
    return value in ARMS


def _trained(value: Any) -> bool:
    return value is None or (_object(value) and (value.get("key") is None or _is_key(value["key"])))


def _is_key(value: Any) -> bool:
    try:
        checked_key(value)
    except TypeError:
        return False
    return True


_FORM: dict[str, tuple[Callable[[Any], bool], str]] = {
    "key.arm": (_arm, "base, plus, control or wide"),
    "test": (_object, "an object"),
    "test.average": (_scores, "MAE, RMSE and MAPE"),
    "test.horizons": (_steps, "MAE, RMSE and MAPE of every step"),
    "test.nodes": (_nodes, "MAE of every node"),
    "data": (_object, "an object"),
    "data.fingerprint": (_text, "text"),
    "data.interval": (_interval, "minutes"),
    "data.null_val": (_number, "a number"),
    "configuration": (_object, "an object"),
    "configuration.training": (_object, "an object"),
    "configuration.training.num_epochs": (_count, "a count"),
    "configuration.model": (_object, "an object"),
    "training": (_object, "an object"),
    "training.epochs": (_count, "a count"),
    "training.history": (_history, "a list of epochs"),
    "training.seconds_per_epoch": (_number, "a number"),
    "parameters": (_object, "an object"),
    "parameters.backbone": (_count, "a count"),
    "parameters.adapter": (_count, "a count"),
    "parameters.adapter_percent": (_number, "a number"),
    "provenance": (_object, "an object"),
    "provenance.compiled": (_flag, "true or false"),
    "provenance.cuda_graphs": (_flag, "true or false"),
    "trained_backbone": (_trained, "the key of a run"),
}


def first_problem(record: dict[str, Any], figures: bool = True) -> str | None:
    """Return the first part of ``record`` that isn't what it must be, and what was expected; None if all are.

    Args:
        record: A record that holds every part.
        figures: Whether the figures of the test set are looked at too.
    """
    for place, (fits, expected) in _FORM.items():
        if place.startswith("test.") and not figures:
            continue
        value: Any = record
        for step in place.split("."):
            value = value.get(step)
        if not fits(value):
            return f"'{place}' is {_short(value)}, expected {expected}"
    if "adapter_percent" not in record["parameters"]:
        return "no 'parameters.adapter_percent'"
    adapter = record["configuration"].get("adapter")
    if record["key"]["arm"] != "base" and not (_object(adapter) and _text(adapter.get("sharing"))):
        return f"'configuration.adapter' is {_short(adapter)}, expected the adapter's settings"
    return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
