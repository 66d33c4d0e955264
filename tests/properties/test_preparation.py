"""What is prepared is what was brought: every row once, in order, under the same fingerprint for the same readings."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import prepare
from stlora_ext.data.prepared import SPLITS, load_meta, load_split
from stlora_ext.fingerprint import fingerprint
from tests.support.profile import steady

SERIES = st.fixed_dictionaries(
    {
        "rows": st.integers(40, 90),
        "nodes": st.integers(1, 5),
        "seed": st.integers(0, 999),
        "lost": st.sampled_from([0.0, 0.2, 0.5]),
        "input_len": st.integers(1, 8),
        "output_len": st.integers(1, 8),
        "ratio": st.sampled_from([0.5, 0.6, 0.7]),
    }
)


def readings(rows, nodes, seed, lost):
    """Readings of any sign, some missing."""
    generator = np.random.default_rng(seed)
    values = generator.normal(50, 30, (rows, nodes)).astype(np.float32)
    return np.where(generator.random(values.shape) < lost, np.float32(np.nan), values)


def prepared(root, values, series, *options, suffix="npy"):
    """Prepare readings by the real command and return the folder's description."""
    raw = root / f"raw.{suffix}"
    np.save(raw, values) if suffix == "npy" else np.savez(raw, data=values)
    prepare.main(
        [
            "MINE",
            "--raw",
            str(raw),
            "--start",
            "2024-02-29T23:00",
            "--interval",
            "30",
            "--input-len",
            str(series["input_len"]),
            "--output-len",
            str(series["output_len"]),
            "--train-ratio",
            str(series["ratio"]),
            "--data",
            str(root),
            *options,
        ]
    )
    return load_meta(root, "MINE")


@steady
@given(SERIES, st.sampled_from(["npy", "npz"]))
def test_the_splits_hold_every_row_once_in_order_and_exactly_their_windows(series, suffix):
    values = readings(**{name: series[name] for name in ("rows", "nodes", "seed", "lost")})
    with tempfile.TemporaryDirectory() as folder:
        meta = prepared(Path(folder), values, series, suffix=suffix)
        parts = [load_split(Path(folder), meta, split) for split in SPLITS]
    cover = meta.input_len + meta.output_len - 1
    assert [len(part) - cover for part, _ in parts] == [meta.windows[split] for split in SPLITS]
    assert sum(meta.windows.values()) == series["rows"] - cover
    joined = np.concatenate([part[cover if index else 0 :] for index, (part, _) in enumerate(parts)])
    assert np.array_equal(joined, values, equal_nan=True)
    for (before, _), (after, _) in zip(parts, parts[1:], strict=False):
        assert np.array_equal(before[-cover:] if cover else before[:0], after[:cover], equal_nan=True)
    stamps = np.concatenate([part[cover if index else 0 :] for index, (_, part) in enumerate(parts)])
    row = np.arange(series["rows"]) + 46  # 2024-02-29, a Thursday, 23:00
    assert np.array_equal(stamps[:, 0], (row % 48 / 48).astype(np.float32))
    assert np.array_equal(stamps[:, 1], ((row // 48 + 3) % 7 / 7).astype(np.float32))


@steady
@given(SERIES, st.integers(0, 10**6))
def test_the_fingerprint_is_of_the_readings_and_changes_with_any_of_them(series, place):
    values = readings(**{name: series[name] for name in ("rows", "nodes", "seed", "lost")})
    other = values.copy()
    other.flat[place % other.size] = 4321
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        one = prepared(Path(first), values, series).fingerprint
        assert one == prepared(Path(second), values, series, suffix="npz").fingerprint
        assert one != prepared(Path(second), other, series, "--force").fingerprint


@steady
@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.lists(st.floats(width=32), max_size=4), max_size=4))
def test_a_fingerprint_knows_no_order_of_names_and_no_layout(arrays):
    named = {name: np.array(values, np.float32) for name, values in arrays.items()}
    strided = {name: np.repeat(array, 2)[::2] for name, array in reversed(named.items())}
    assert fingerprint(named) == fingerprint(strided)


@steady
@given(SERIES, st.sampled_from([0.0, -1.0, 7.5]))
def test_a_stated_null_value_stands_where_readings_are_missing(series, null_val):
    values = readings(**{name: series[name] for name in ("rows", "nodes", "seed", "lost")})
    with tempfile.TemporaryDirectory() as folder:
        meta = prepared(Path(folder), values, series, "--null", str(null_val))
        stored, _ = load_split(Path(folder), meta, "train")
    expected = np.where(np.isnan(values), np.float32(null_val), values)[: len(stored)]
    assert meta.null_val == null_val and np.array_equal(stored, expected)
