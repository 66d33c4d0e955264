"""Readings from ``.npz`` and ``.npy``: official PEMS0x files, the public pieces, anyone's arrays."""

from pathlib import Path

import numpy as np

from stlora_ext.data.plain_arrays import load_npy, load_npz
from stlora_ext.errors import UserError
from stlora_ext.preparation.graph import graph_from_matrix
from stlora_ext.preparation.series import Series, check_ids, to_float32


def open_npy(path: Path) -> np.ndarray:
    """Read one array; Python objects are refused."""
    try:
        return load_npy(path)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read as .npy ({error}): expected a plain numeric array saved by np.save"
        ) from None


def open_npz(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of an archive; Python objects are refused."""
    try:
        return load_npz(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as .npz ({error}): expected plain arrays saved by np.savez") from None


def pick_channel(array: np.ndarray, channel: int | None, origin: str) -> np.ndarray:
    """Take one channel of ``[T, N]`` or ``[T, N, C]`` as float32 ``[T, N]``.

    Raises:
        UserError: On another number of dimensions, a channel that is not there, or none chosen of several.
    """
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[1] == 0:
        raise UserError(
            f"{origin} holds an array of shape {array.shape}: expected [time, sensor] or [time, sensor, channel]"
        )
    channels = array.shape[2]
    if channel is None and channels == 1:
        channel = 0
    if channel is None:
        raise UserError(f"{origin} has {channels} channels: choose one with --channel 0..{channels - 1}")
    if not 0 <= channel < channels:
        raise UserError(f"--channel {channel} is not in {origin}, which has {channels}: expected 0..{channels - 1}")
    return to_float32(array[:, :, channel], origin)


def read_npy(path: Path, channel: int | None) -> Series:
    """Read ``[T, N]`` or ``[T, N, C]``."""
    return Series(pick_channel(open_npy(path), channel, path.name))


def read_npz(path: Path, channel: int | None) -> Series:
    """Read ``data``, or the only array; ``adj``, ``distance``, ``position`` and ``sensor_ids`` where
    they are there."""
    arrays = open_npz(path)
    if "data" not in arrays and len(arrays) != 1:
        raise UserError(f"{path.name} holds {', '.join(arrays) or 'nothing'}: expected an array named 'data'")
    values = pick_channel(arrays.get("data", next(iter(arrays.values()))), channel, path.name)
    series = Series(values, positions=arrays.get("position"))
    if "sensor_ids" in arrays:
        series.sensor_ids = [str(name) for name in arrays["sensor_ids"].ravel().tolist()]
        check_ids(series.sensor_ids, values.shape[1], path.name)
    if "adj" in arrays:
        series.graph = graph_from_matrix(
            arrays["adj"], values.shape[1], path.name, arrays.get("distance"), sensor_ids=series.sensor_ids
        )
    return series
