"""The lines that tell a user what was prepared."""

import hashlib
import shlex
from pathlib import Path
from typing import Any

import numpy as np

from stlora_ext.data.catalog import CATALOG
from stlora_ext.data.prepared import DAY, missing
from stlora_ext.folders import DATA, ROOT
from stlora_ext.horizons import in_words
from stlora_ext.preparation.graph import count_components
from stlora_ext.preparation.series import Series
from stlora_ext.preparation.timeline import show

_BLOCK = 64  # columns at a time: a large series is never copied as a whole


def report(series: Series, meta: dict[str, Any], outcome: str, root: Path) -> str:
    """Say what became of a data set and describe it.

    Args:
        series: As written.
        meta: The content of its meta.json.
        outcome: From ``write``.
        root: The folder of all data sets.
    """
    target = (root / meta["name"]).resolve()
    return "\n".join(
        [
            f"{meta['name']}: {outcome} in {_shown(target)}",
            *summarise(series, meta),
            _line("next", _next(meta["name"], root.resolve())),
        ]
    )


def summarise(series: Series, meta: dict[str, Any]) -> list[str]:
    """Describe a complete series and what meta.json says of it, a line each."""
    num_steps, num_nodes = series.values.shape
    share, worst, empty, constant, duplicated, extent, zeros = _inspect(series)
    names = meta["stlora"]["sensor_ids"]
    ours = meta["stlora"]
    windows = ours["windows"]
    null = "NaN" if meta["regular_settings"]["null_val"] is None else f"{series.null_val:g}"
    lines = [
        ("shape", f"{num_steps} rows x {num_nodes} sensors"),
        ("span", _describe_span(series)),
        ("interval", _describe_interval(series)),
        ("readings", _describe_readings(extent, names)),
        ("missing", f"{100 * share:.2f} % ({null}); worst sensor {names[worst[0]]}: {100 * worst[1]:.2f} %"),
        ("zeros", _describe_zeros(zeros, series, meta["name"] in CATALOG)),
        ("constant", _some(constant, names)),
        ("without data", _some(empty, names)),
        ("duplicated", _some(duplicated, names)),
        ("graph", _describe_graph(series)),
        (
            "windows",
            f"{windows['train']} train, {windows['val']} validation, {windows['test']} test "
            f"({ours['input_len']} steps in, {ours['output_len']} out)",
        ),
        ("fingerprint", ours["fingerprint"]),
        *(("note", note) for note in series.notes),
    ]
    return [_line(label, text) for label, text in lines]


def _line(label: str, text: str) -> str:
    return f"  {label + ':':<14}{text}"


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _next(name: str, root: Path) -> str:
    """Return the command that trains a model on the data set."""
    words = ["python", str(_shown(ROOT / "experiments" / "run.py")), "--dataset", name, "--model", "LSTM+"]
    words += ["--data", str(_shown(root))] * (root != DATA)
    return shlex.join(words)


def _inspect(
    series: Series,
) -> tuple[float, tuple[int, float], list[int], list[int], list[int], tuple[np.ndarray, np.ndarray, np.ndarray], int]:
    """Return the missing share, the worst column and its share, the empty, constant and duplicated columns, and every
    column's lowest and highest reading and number of readings below 0; and the number of zeros."""
    assert series.null_val is not None
    num_steps, num_nodes = series.values.shape
    absent = np.empty(num_nodes, dtype=np.int64)
    low, high = np.empty(num_nodes, dtype=np.float32), np.empty(num_nodes, dtype=np.float32)
    below = np.empty(num_nodes, dtype=np.int64)
    first: dict[bytes, int] = {}
    duplicated, zeros = [], 0
    for begin in range(0, num_nodes, _BLOCK):
        columns = slice(begin, begin + _BLOCK)
        block = np.ascontiguousarray(series.values[:, columns].T)
        gone = missing(block, series.null_val)
        absent[columns] = gone.sum(axis=1)
        low[columns] = np.where(gone, np.inf, block).min(axis=1)
        high[columns] = np.where(gone, -np.inf, block).max(axis=1)
        zeros += int(np.count_nonzero(block == 0))
        below[columns] = ((block < 0) & ~gone).sum(axis=1)
        for offset, readings in enumerate(block):
            if first.setdefault(_digest(readings), begin + offset) != begin + offset:
                duplicated.append(begin + offset)
    empty = np.flatnonzero(absent == num_steps)
    constant = np.flatnonzero(low == high)
    worst = int(absent.argmax())
    duplicated = [column for column in duplicated if absent[column] < num_steps]
    return (
        float(absent.sum() / series.values.size),
        (worst, float(absent[worst] / num_steps)),
        empty.tolist(),
        constant.tolist(),
        duplicated,
        (low, high, below),
        zeros,
    )


def _describe_span(series: Series) -> str:
    zone = series.absolute_zone
    clock = "" if series.timezone is None else f" ({series.timezone})"
    return f"{show(series.known_times[0], zone)} to {show(series.known_times[-1], zone)}{clock}"


def _describe_interval(series: Series) -> str:
    assert series.interval is not None
    if series.interval >= DAY:
        return in_words(series.interval)
    return f"{in_words(series.interval)}, {DAY // series.interval} steps a day"


def _describe_zeros(zeros: int, series: Series, known: bool) -> str:
    if not zeros:
        return "none"
    assert series.null_val is not None
    share = f"{zeros:,} ({100 * zeros / series.values.size:.2f} % of all cells)"
    if missing(np.zeros(1, dtype=np.float32), series.null_val)[0]:
        return f"{share}, missing: 0 is the null value"
    return f"{share}, read as readings" + ("" if known else "; --null 0 where 0 means missing")


def _describe_readings(extent: tuple[np.ndarray, np.ndarray, np.ndarray], names: list[str]) -> str:
    low, high, below = extent
    text = f"{low.min():g} to {high.max():g}"
    if below.any():
        column = int(low.argmin())
        text += (
            f"; {below.sum()} below 0 in {np.count_nonzero(below)} sensors, the lowest of {names[column]} (--null "
            f"{low[column]:g} where it means missing)"
        )
    return text


def _digest(readings: np.ndarray) -> bytes:
    return hashlib.sha256(readings.data).digest()


def _some(columns: list[int], names: list[str]) -> str:
    if not columns:
        return "none"
    listed = ", ".join(names[column] for column in columns[:5])
    return f"{len(columns)} sensors ({listed}{', ...' if len(columns) > 5 else ''})"


def _describe_graph(series: Series) -> str:
    graph = series.graph
    if graph is None:
        return "none: models that need a road graph will refuse this data set"
    extras = [name for name in ("distance", "position") if getattr(graph, name) is not None]
    held = f", with {' and '.join(extras)}" if extras else ""
    loops = int((graph.source == graph.target).sum())
    components = count_components(graph)
    return (
        f"{len(graph.source)} directed edges ({loops} of them self-loops), {components} "
        f"component{'s' if components != 1 else ''}{held}"
    )
