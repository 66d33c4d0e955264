"""A prepared data set on disk: BasicTS 1.1.0's layout plus the window protocol in ``meta.json``.

NAME/{train,val,test}_data.npy        float32 [rows, N]; missing readings as meta's null value
NAME/{train,val,test}_timestamps.npy  float32 [rows, 2]: time of day in [0, 1), day of week / 7
NAME/graph.npz                        num_nodes [], source [E], target [E], weight [E]; optional
                                      distance [E], position [N, 2]
NAME/positions.npy                    float64 [N, 2]: latitude and longitude in degrees; where they are known, and no
                                      part of the fingerprint
NAME/meta.json                        BasicTS's keys, and ours under "stlora"
"""

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from stlora_ext.data.catalog import how_to_get
from stlora_ext.data.local_time import is_timezone
from stlora_ext.data.plain_arrays import load_npy
from stlora_ext.errors import UserError

SPLITS = ("train", "val", "test")
FORMAT = 1
DAY = 86400  # seconds
LONGEST = 366 * 1440  # minutes of a step
POSITIONS = "positions.npy"


@dataclass(frozen=True)
class Meta:
    """What ``meta.json`` says.

    Attributes:
        name: Name of the data set.
        num_steps: Rows T of the whole series.
        num_nodes: Sensors N.
        interval: Minutes per step, a fraction where they aren't whole.
        steps_per_day: Rows per day; 1 where a row is a day or more.
        start: Local time of the first row, ISO 8601; with its offset from UTC where the rows follow absolute time.
        null_val: The reading that means missing; NaN or a number (tolerance 5e-5).
        input_len: Input steps of one window.
        output_len: Forecast steps of one window.
        windows: Windows in each split.
        sensor_ids: Name of each column.
        has_graph: Whether ``graph.npz`` is there.
        fingerprint: "sha256:" and the digest of the prepared arrays.
        timezone: Where ``start`` and the timestamps are local time, as "Europe/Berlin"; None: not stated.
    """

    name: str
    num_steps: int
    num_nodes: int
    interval: float
    steps_per_day: int
    start: str
    null_val: float
    input_len: int
    output_len: int
    windows: dict[str, int]
    sensor_ids: list[str]
    has_graph: bool
    fingerprint: str
    timezone: str | None = None

    @property
    def interval_seconds(self) -> int:
        """Seconds per step."""
        return round(60 * self.interval)


def with_sensors(meta: Meta, names: Sequence[str]) -> Meta:
    """Return the description with sensors added behind its own, and without its graph, which lacks them."""
    ids = [*meta.sensor_ids, *names]
    return replace(meta, num_nodes=len(ids), sensor_ids=ids, has_graph=False)


def split_windows(
    num_steps: int, input_len: int, output_len: int, train_ratio: float, test_ratio: float = 0.2
) -> dict[str, int]:
    """Count the windows of each split: of S windows in all, the last round(test_ratio S) test, the first
    round(train_ratio S) train, the rest between them validate.

    Raises:
        UserError: If a split would have no window.
    """
    total = num_steps - input_len - output_len + 1
    test, train = round(test_ratio * total), round(train_ratio * total)
    windows = {"train": train, "val": total - train - test, "test": test}
    if min(windows.values()) < 1:
        raise UserError(
            f"{num_steps} rows give the windows {windows} (input {input_len}, output {output_len}, train share "
            f"{train_ratio}): every split needs at least one; bring a longer series or another train share"
        )
    return windows


def split_rows(windows: Mapping[str, int], input_len: int, output_len: int) -> dict[str, slice]:
    """Return, per split, exactly the rows that its windows cover (neighbouring splits overlap)."""
    rows, first = {}, 0
    for split in SPLITS:
        rows[split] = slice(first, first + windows[split] + input_len + output_len - 1)
        first += windows[split]
    return rows


def fits_a_day(seconds: int) -> bool:
    """Tell whether a day is a whole number of steps of this length, or a step a whole number of days."""
    return seconds > 0 and (DAY % seconds == 0 or seconds % DAY == 0)


def missing(values: np.ndarray, null_val: float) -> np.ndarray:
    """Return where ``values`` are missing: NaN, or within 5e-5 of ``null_val``."""
    if math.isnan(null_val):
        return np.isnan(values)
    return np.isnan(values) | (np.abs(values - np.float32(null_val)) < 5e-5)


def load_meta(root: Path, name: str) -> Meta:
    """Read ``root/name/meta.json``.

    Raises:
        UserError: If the data set is absent, or its meta.json is damaged or not ours.
    """
    path = root / name / "meta.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"data set '{name}' is not in {root}: {how_to_get(name, root)}") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path} is damaged (no valid JSON): {made_again(root, name)}") from None
    try:
        ours, null_val = content["stlora"], content["regular_settings"]["null_val"]
        meta = Meta(
            name=content["name"],
            num_steps=content["num_time_steps"],
            num_nodes=content["num_vars"],
            interval=ours["interval_seconds"] / 60 if "interval_seconds" in ours else content["frequency (minutes)"],
            steps_per_day=ours["steps_per_day"],
            start=ours["start"],
            null_val=math.nan if null_val is None else float(null_val),
            input_len=ours["input_len"],
            output_len=ours["output_len"],
            windows=ours["windows"],
            sensor_ids=ours["sensor_ids"],
            has_graph=content["has_graph"],
            fingerprint=ours["fingerprint"],
            timezone=ours.get("timezone"),
        )
        _check(meta)
    except (ValueError, OverflowError) as error:
        raise UserError(f"{path} is damaged ({error}): {made_again(root, name)}") from None
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{path} was not written by datasets/prepare.py (no {error}): give the folder to prepare.py "
            f"as --raw under another name, or {how_to_get(name, root)}"
        ) from None
    if meta.name != name:
        raise UserError(
            f"{path} describes the data set '{meta.name}': give the folder its own name back, or "
            f"prepare the raw file again as '{name}'"
        )
    return meta


def _check(meta: Meta) -> None:
    """Raise a ValueError if what ``meta`` says can't be of a prepared data set."""
    counts = {
        "num_time_steps": meta.num_steps,
        "num_vars": meta.num_nodes,
        "steps_per_day": meta.steps_per_day,
        "input_len": meta.input_len,
        "output_len": meta.output_len,
        **{f"windows of {split}": meta.windows[split] for split in SPLITS},
    }
    for name, value in counts.items():
        if type(value) is not int or value < 1:
            raise ValueError(f"{name} is {value!r}, expected a whole number of at least 1")
    if sum(meta.windows[split] for split in SPLITS) != meta.num_steps - meta.input_len - meta.output_len + 1:
        raise ValueError(f"the windows {meta.windows} are not those of {meta.num_steps} rows")
    if type(meta.interval) not in (int, float) or not 0 < meta.interval <= LONGEST or _splits_a_second(meta.interval):
        raise ValueError(f"frequency (minutes) is {meta.interval!r}, expected at least a second, in whole seconds")
    if meta.steps_per_day != max(1, DAY // meta.interval_seconds) or not fits_a_day(meta.interval_seconds):
        raise ValueError(f"{meta.steps_per_day} steps of {meta.interval:g} minutes are no day")
    if (
        not isinstance(meta.sensor_ids, list)
        or len(meta.sensor_ids) != meta.num_nodes
        or not all(isinstance(name, str) for name in meta.sensor_ids)
    ):
        raise ValueError(f"sensor_ids are not {meta.num_nodes} names")
    if not all(isinstance(text, str) for text in (meta.name, meta.start, meta.fingerprint)):
        raise ValueError("name, start or fingerprint is no text")
    if math.isinf(meta.null_val):
        raise ValueError(f"null_val is {meta.null_val}")
    if (datetime.fromisoformat(meta.start).tzinfo is not None) > (meta.timezone is not None):
        raise ValueError(f"start {meta.start} has an offset and the set no time zone")
    if meta.timezone is not None and not is_timezone(meta.timezone):
        raise ValueError(f"timezone is {meta.timezone!r}")


def _splits_a_second(interval: float) -> bool:
    return abs(60 * interval - round(60 * interval)) > 1e-6 or round(60 * interval) < 1


def prepare_again(meta: Meta, root: Path, name: str, input_len: int, output_len: int) -> str:
    """Return the command that makes a set of other lengths, called ``name``, from the readings of ``root/meta.name``.

    The folder tells all but the shares of the windows, which the command is given, and that the hour of daylight
    saving, which PEMS-BAY skips, is no damage.
    """
    train, test = _share(meta.windows, "train", 0.7), _share(meta.windows, "test", 0.2)
    if test == 0.2:
        split = [f"--train-ratio {train}"] * (train != 0.7)
    else:
        split = [f"--split {train} {round(1 - train - test, 10)} {test}"]
    folder = (root / meta.name).resolve()
    folder = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    return " ".join(
        [
            "python datasets/prepare.py",
            name,
            "--raw",
            shlex.quote(str(folder)),
            *split,
            *["--fill-gaps"] * (meta.name == "PEMS-BAY"),
            f"--input-len {input_len} --output-len {output_len}",
            *[f"--data {shlex.quote(str(folder.parent))}"] * (folder.parent != Path("datasets")),
        ]
    )


def _share(windows: Mapping[str, int], split: str, usual: float) -> float:
    """Return the share that gives a split its windows: the usual one, else the one with the fewest digits."""
    total = sum(windows.values())
    shares = (usual, *(round(windows[split] / total, digits) for digits in range(1, 17)))
    return next(share for share in shares if round(share * total) == windows[split])


def load_array(root: Path, meta: Meta, file: str, shape: tuple[int, ...], memmap: bool = False) -> np.ndarray:
    """Read one ``.npy`` of a prepared data set and check that it has the promised shape.

    Raises:
        UserError: If the file is absent, damaged or of another shape.
    """
    path = root / meta.name / file
    try:
        array = load_npy(path, memmap)
    except PermissionError:
        raise
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): {made_again(root, meta.name)}") from None
    if array.shape != shape or array.dtype != np.float32:
        raise UserError(
            f"{path} holds {array.dtype} {array.shape}, meta.json promises float32 {shape}: "
            f"{made_again(root, meta.name)}"
        )
    return array


def load_split(root: Path, meta: Meta, split: str, memmap: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Read one split: values ``[rows, N]`` and timestamps ``[rows, 2]``, both float32."""
    rows = meta.windows[split] + meta.input_len + meta.output_len - 1
    return (
        load_array(root, meta, f"{split}_data.npy", (rows, meta.num_nodes), memmap),
        load_array(root, meta, f"{split}_timestamps.npy", (rows, 2), memmap),
    )


def made_again(root: Path, name: str) -> str:
    """Return the sentence that tells how to replace a damaged preparation."""
    return f"delete {root / name}, then {how_to_get(name, root)}"
