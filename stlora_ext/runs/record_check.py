"""Whether the content of a file is a run record: every part that is used, of its type."""

from collections.abc import Callable
from typing import Any

from stlora_ext.runs.key import ARMS, WITHOUT_ADAPTER, checked_key

FORMAT = "stlora-run-record-1"
METRICS = ("MAE", "RMSE", "MAPE")
LARGEST = 1e30  # its square is a number too; NaN is below nothing
_REQUIRED = ("key", "status", "test", "data", "configuration", "training", "parameters", "provenance")


class NoRecordError(Exception):
    """A content isn't that of a run record: which part is absent or isn't what it must be, and what was expected."""


def first_problem(content: Any) -> str | None:
    """Return the first part that isn't what it must be, and what was expected; None if all are."""
    if not _object(content) or "format" in content and content["format"] != FORMAT:
        return f"expected a record of the format {FORMAT}"
    absent = next((name for name in _REQUIRED if name not in content), None)
    if absent is not None:
        return f"no '{absent}'"
    try:
        checked_key(content["key"])
    except TypeError as error:
        return str(error)
    for part, (fits, expected) in _FORM.items():
        value: Any = content
        for step in part.split("."):
            value = value.get(step)
        if not fits(value):
            return f"'{part}' is {_short(value)}, expected {expected}"
    if "adapter_percent" not in content["parameters"]:
        return "no 'parameters.adapter_percent'"
    streamed = content["key"]["protocol"] == "stream" or content.get("stream") is not None
    if streamed and not _stream(content.get("stream")):
        return f"'stream' is {_short(content.get('stream'))}, expected how the model was updated"
    if content["key"]["protocol"] == "new-sensors" and not _new_sensors(content.get("new_sensors")):
        return f"'new_sensors' is {_short(content.get('new_sensors'))}, expected the scores by days"
    adapter = content["configuration"].get("adapter")
    if content["key"]["arm"] not in WITHOUT_ADAPTER and not (_object(adapter) and _text(adapter.get("sharing"))):
        return f"'configuration.adapter' is {_short(adapter)}, expected the adapter's settings"
    return None


def _object(value: Any) -> bool:
    return isinstance(value, dict)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _text_or_none(value: Any) -> bool:
    return value is None or _text(value)


def _count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _count_or_none(value: Any) -> bool:
    return value is None or _count(value)


def _number(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and abs(value) <= LARGEST)


def _metrics(value: Any) -> bool:
    return _object(value) and all(metric in value and _number(value[metric]) for metric in METRICS)


def _steps(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_metrics, value))


def _history(value: Any) -> bool:
    return isinstance(value, list) and all(
        _object(entry) and ("val" not in entry or (_object(entry["val"]) and _number(entry["val"].get("MAE"))))
        for entry in value
    )


def _nodes(value: Any) -> bool:
    return value is None or (
        _object(value)
        and isinstance(value.get("MAE"), list)
        and all(isinstance(numbers, list) and all(map(_number, numbers)) for numbers in value.values())
    )


def _periods(value: Any) -> bool:
    lists = ("absolute", "squared", "count")
    return value is None or (
        _object(value)
        and value.keys() == {"every", *lists}
        and _count(value["every"])
        and value["every"] > 0
        and all(isinstance(value[name], list) for name in lists)
        and len({len(value[name]) for name in lists}) == 1
        and all(type(sum_) in (int, float) and 0 <= sum_ <= LARGEST for name in lists[:2] for sum_ in value[name])
        and all(map(_count, value["count"]))
    )


def _stream(value: Any) -> bool:
    counts = {"every", "periods", "updates", "parameters_updated"}
    return (
        _object(value)
        and value.keys() - {"service_bytes"} == {*counts, "seconds_per_update", "loss"}
        and all(_count(value[name]) for name in counts)
        and _number(value["seconds_per_update"])
        and isinstance(value["loss"], list)
        and all(map(_number, value["loss"]))
        and _count_or_none(value.get("service_bytes"))
    )


def _new_sensors(value: Any) -> bool:
    return (
        _object(value)
        and value.keys() == {"sensors", "fits"}
        and isinstance(value["sensors"], list)
        and all(map(_count, value["sensors"]))
        and isinstance(value["fits"], list)
        and all(
            _object(fit)
            and fit.keys() - {"known_mae"} == {"days", "ridge", "test"}
            and _number(fit["days"])
            and _number(fit["ridge"])
            and _number(fit.get("known_mae"))
            and _object(fit["test"])
            and _metrics(fit["test"].get("average"))
            and _steps(fit["test"].get("horizons"))
            for fit in value["fits"]
        )
    )


def _interval(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < LARGEST


def _flag(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _arm(value: Any) -> bool:
    return value in ARMS


def _trained(value: Any) -> bool:
    return value is None or (
        _object(value)
        and (value.get("key") is None or _is_key(value["key"]))
        and _text_or_none(value.get("weights"))
        and _text_or_none(value.get("fingerprint"))
    )


def _is_key(value: Any) -> bool:
    try:
        checked_key(value)
    except TypeError:
        return False
    return True


def _processes(value: Any) -> bool:
    return value is None or (
        isinstance(value, list) and all(_object(one) and _object_or_none(one.get("versions")) for one in value)
    )


def _object_or_none(value: Any) -> bool:
    return value is None or _object(value)


_FORM: dict[str, tuple[Callable[[Any], bool], str]] = {
    "key.arm": (_arm, "base, plus, control, wide, finetune or full"),
    "test": (_object, "an object"),
    "test.average": (_metrics, "MAE, RMSE and MAPE"),
    "test.horizons": (_steps, "MAE, RMSE and MAPE of every step"),
    "test.nodes": (_nodes, "MAE of every node"),
    "test.periods": (_periods, "error sums of every period"),
    "data": (_object, "an object"),
    "data.fingerprint": (_text, "text"),
    "data.interval": (_interval, "minutes"),
    "data.num_nodes": (_count, "a count"),
    "data.windows": (_object, "an object"),
    "data.windows.test": (_count, "a count"),
    "data.null_val": (_number, "a number"),
    "configuration": (_object, "an object"),
    "configuration.training": (_object, "an object"),
    "configuration.training.num_epochs": (_count, "a count"),
    "configuration.model": (_object, "an object"),
    "configuration.stream": (_object_or_none, "an object"),
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
    "provenance.data_parallel": (_count_or_none, "a count"),
    "provenance.parts": (_count_or_none, "a count"),
    "provenance.versions": (_object_or_none, "an object"),
    "provenance.processes": (_processes, "a list of processes"),
    "trained_backbone": (_trained, "the key of a run, and hashes"),
    "adapter_bytes": (_count_or_none, "a count"),
}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
