"""Preparing a data set by the real command, and reading back what it wrote."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import prepare
from stlora_ext.data.prepared import SPLITS, Meta, load_meta, load_split
from stlora_ext.errors import UserError


def csv(folder: Path, table: pd.DataFrame, **options: Any) -> Path:
    """Write ``table`` to ``folder/raw.csv``."""
    table.to_csv(folder / "raw.csv", **options)
    return folder / "raw.csv"


def prepared(folder: Path, raw: Path, *options: object, name: str = "MINE") -> Meta:
    """Prepare ``raw`` into ``folder/out`` and return the set's description."""
    prepare.main([name, "--raw", str(raw), *map(str, options), "--data", str(folder / "out"), "--force"])
    return load_meta(folder / "out", name)


def refusal(folder: Path, raw: Path, *options: object) -> str:
    """Return the one line that refuses ``raw``."""
    with pytest.raises(UserError) as caught:
        prepared(folder, raw, *options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def whole(folder: Path, meta: Meta) -> tuple[np.ndarray, np.ndarray]:
    """Join the splits of a prepared set to all its readings ``[T, N]`` and time stamps ``[T, 2]``."""
    overlap = meta.input_len + meta.output_len - 1
    parts = [load_split(folder / "out", meta, split) for split in SPLITS]
    values, stamps = (np.concatenate([part[i][overlap if j else 0 :] for j, part in enumerate(parts)]) for i in (0, 1))
    return values, stamps


def clock(stamps: np.ndarray, steps_per_day: int) -> list[tuple[int, int]]:
    """Return (day of week, step of the day) of time stamps."""
    return [(round(float(day) * 7), round(float(share) * steps_per_day)) for share, day in stamps]
