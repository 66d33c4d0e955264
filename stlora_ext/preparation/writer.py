"""Writing a prepared data set: all of it or nothing, never over something else."""

import json
import math
import os
import re
import shutil
from datetime import UTC
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np

from stlora_ext.data.plain_arrays import load_npy, load_npz
from stlora_ext.data.prepared import DAY, FORMAT, POSITIONS, SPLITS, missing, split_rows, split_windows
from stlora_ext.errors import UserError
from stlora_ext.files import atomic_folder, write_json
from stlora_ext.fingerprint import fingerprint
from stlora_ext.preparation.series import Series
from stlora_ext.preparation.timeline import calendar

_DATA_FILES = {f"{split}_{kind}.npy" for split in SPLITS for kind in ("data", "timestamps")}
_OUR_FILES = _DATA_FILES | {"meta.json", "graph.npz", POSITIONS}

Outcome = Literal["written", "already prepared"]


def build(
    series: Series,
    name: str,
    domain: str,
    train_ratio: float,
    input_len: int,
    output_len: int,
    source: list[str],
    test_ratio: float = 0.2,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Cut the splits and describe them.

    Args:
        series: Complete: with times, interval and null value.
        name: Name of the data set.
        domain: What is measured.
        train_ratio: Share of the windows for training.
        input_len: Input steps of a window.
        output_len: Forecast steps of a window.
        source: Names of the files it comes from.
        test_ratio: Share of the windows for testing.

    Returns:
        The arrays of the ``.npy`` files by name (views of ``series.values``), and the content of meta.json.
    """
    num_steps, num_nodes = series.values.shape
    interval, null_val = series.interval, series.null_val
    assert interval is not None and null_val is not None
    if not 0 < train_ratio < 1 - test_ratio:
        raise UserError(
            f"a train share of {train_ratio}: expected more than 0 and less than {round(1 - test_ratio, 10):g}, the "
            f"test share is {test_ratio:g}"
        )
    windows = split_windows(num_steps, input_len, output_len, train_ratio, test_ratio)
    stamps = calendar(series.local_times, interval)
    arrays = {}
    for split, rows in split_rows(windows, input_len, output_len).items():
        arrays[f"{split}_data"] = series.values[rows]
        if not _holds_a_reading(arrays[f"{split}_data"][input_len:], null_val):
            raise UserError(
                f"rows {rows.start + input_len + 1} to {rows.stop}, which the windows of the {split} split "
                "forecast, hold no reading at all: expected readings in every split; check --null, or "
                "bring a series with fewer gaps"
            )
        arrays[f"{split}_timestamps"] = stamps[rows]
    graph = {} if series.graph is None else {f"graph/{key}": array for key, array in series.graph.arrays().items()}
    meta = {
        "name": name,
        "domain": domain,
        "frequency (minutes)": interval / 60 if interval % 60 else interval // 60,
        "shape": [num_steps, num_nodes],
        "num_time_steps": num_steps,
        "num_vars": num_nodes,
        "has_graph": series.graph is not None,
        "timestamps_description": ["time of day", "day of week"],
        "regular_settings": {
            "train_val_test_ratio": [train_ratio, round(1 - test_ratio - train_ratio, 10), test_ratio],
            "norm_each_channel": False,
            "rescale": True,
            "metrics": ["MAE", "RMSE", "MAPE"],
            "null_val": None if math.isnan(null_val) else null_val,
        },
        "stlora": {
            "format": FORMAT,
            "start": _start(series),
            **({"interval_seconds": interval} if interval % 60 else {}),
            **({} if series.timezone is None else {"timezone": series.timezone}),
            "steps_per_day": max(1, DAY // interval),
            "input_len": input_len,
            "output_len": output_len,
            "windows": windows,
            "sensor_ids": series.sensor_ids or [str(column) for column in range(num_nodes)],
            "fingerprint": fingerprint(arrays | graph),
            "source": source,
            "notes": series.notes,
        },
    }
    return arrays, meta


def _start(series: Series) -> str:
    """Return the first row's local time, with its offset where rows follow absolute time."""
    first = series.known_times[0]
    if series.absolute_zone is None:
        return str(first.astype("datetime64[s]"))
    local = first.astype("datetime64[s]").item().replace(tzinfo=UTC).astimezone(ZoneInfo(series.absolute_zone))
    return local.isoformat()


def _holds_a_reading(values: np.ndarray, null_val: float) -> bool:
    return any(not missing(values[first : first + 256], null_val).all() for first in range(0, len(values), 256))


def write(root: Path, series: Series, arrays: dict[str, np.ndarray], meta: dict[str, Any], force: bool) -> Outcome:
    """Write ``root/NAME`` unless it is there already.

    Args:
        root: The folder of all data sets.
        series: Where the graph comes from.
        arrays: From ``build``.
        meta: From ``build``.
        force: Whether another preparation of the same name is replaced.

    Raises:
        UserError: If something else is there, or the disk refuses.
    """
    target = root / meta["name"]
    try:
        _recover(target)
        if target.exists() or target.is_symlink():
            if _is_same(target, meta) and _has_positions(target, series.positions):
                return "already prepared"
            _check_replaceable(target, force)
        with atomic_folder(target) as folder:
            for name, array in arrays.items():
                np.save(folder / f"{name}.npy", array, allow_pickle=False)
            if series.graph is not None:
                np.savez(folder / "graph.npz", **series.graph.arrays())  # type: ignore[arg-type]  # none is allow_pickle
            if series.positions is not None:
                np.save(folder / POSITIONS, series.positions, allow_pickle=False)
            write_json(folder / "meta.json", meta)
    except OSError as error:
        raise UserError(
            f"{target} cannot be written ({error.strerror or error}): nothing was left half-written; "
            "mend this, or write elsewhere with --data DIR"
        ) from None
    return "written"


def _is_same(target: Path, meta: dict[str, Any]) -> bool:
    """Tell whether the arrays on disk and what counts in meta.json are those about to be written."""
    try:
        there = json.loads((target / "meta.json").read_text(encoding="utf-8"))
        arrays = {name.removesuffix(".npy"): load_npy(target / name, memmap=True) for name in _DATA_FILES}
        if there["has_graph"]:
            arrays |= {f"graph/{key}": array for key, array in load_npz(target / "graph.npz").items()}
        return (
            _without_provenance(there) == _without_provenance(meta)
            and fingerprint(arrays) == meta["stlora"]["fingerprint"]
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def _has_positions(target: Path, positions: np.ndarray | None) -> bool:
    """Tell whether the positions on disk are those about to be written."""
    path = target / POSITIONS
    if positions is None:
        return not path.exists()
    try:
        return np.array_equal(load_npy(path), positions)
    except (OSError, ValueError):
        return False


def _without_provenance(meta: dict[str, Any]) -> dict[str, Any]:
    ours = {key: value for key, value in meta["stlora"].items() if key not in ("source", "notes")}
    return {**meta, "stlora": ours}


def _check_replaceable(target: Path, force: bool) -> None:
    """Refuse to replace what prepare.py did not write, and what it wrote unless told to."""
    foreign = (
        [target.name]
        if not target.is_dir() or target.is_symlink()
        else sorted(item.name for item in target.iterdir() if item.name not in _OUR_FILES)
    )
    try:
        ours = not foreign and "stlora" in json.loads((target / "meta.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, RecursionError):
        ours = False
    if not ours:
        what = f"({foreign[0]}) " if foreign else ""
        raise UserError(
            f"{target} holds something {what}that this command did not write: it is never replaced; move "
            "it away, or choose another NAME or --data DIR"
        )
    if not force:
        raise UserError(
            f"{target} holds another or damaged preparation of the same name: --force replaces it, or "
            "choose another NAME or --data DIR"
        )


def _recover(target: Path) -> None:
    """Clear away what a killed process left beside ``target``; a folder it had set aside comes back."""
    if not target.parent.is_dir():
        return
    pattern = re.compile(rf"\.{re.escape(target.name)}\.(\d+)\.(tmp|replaced)")
    for item in sorted(target.parent.iterdir()):
        match = pattern.fullmatch(item.name)
        if match is None or _is_running(int(match[1])):
            continue
        if match[2] == "replaced" and not target.exists():
            os.rename(item, target)
        else:
            shutil.rmtree(item)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
