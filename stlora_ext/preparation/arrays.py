"""Arrays from ``.npy`` and ``.npz`` files, and the channel of theirs that is forecast."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stlora_ext.data.plain_arrays import load_npy, load_npz
from stlora_ext.errors import UserError
from stlora_ext.preparation.channels import choose_channel
from stlora_ext.preparation.from_table import refuse_orientation
from stlora_ext.preparation.options import ReadingOptions
from stlora_ext.preparation.series import Series, to_float32


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
        raise UserError(
            f"{path} cannot be read as .npz ({error}): expected plain arrays saved by np.savez, names as "
            "np.array(names, dtype=str)"
        ) from None


def pick_channel(
    array: np.ndarray, channel: str | None, origin: str, names: Sequence[str] | None = None
) -> tuple[np.ndarray, list[str]]:
    """Take one channel of ``[T, N]`` or ``[T, N, C]`` as float32 ``[T, N]``; say which aren't used.

    Args:
        array: The readings.
        channel: Its number or name; None: the only one.
        origin: The file, for messages.
        names: Names of the channels.

    Raises:
        UserError: On another number of dimensions, a channel that is not there, or none chosen of several.
    """
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[1] == 0:
        raise UserError(
            f"{origin} holds an array of shape {array.shape}: expected [time, sensor] or [time, sensor, channel]"
        )
    place, notes = choose_channel(names or [str(c) for c in range(array.shape[2])], channel, origin)
    return to_float32(array[:, :, place], origin), notes


def read_npy(path: Path, options: ReadingOptions) -> Series:
    """Read ``[T, N]`` or ``[T, N, C]``.

    Raises:
        UserError: If it is none, or has more columns than rows and no option says that it is meant.
    """
    array = open_npy(path)
    if array.ndim >= 2 and options.transpose is None and array.shape[1] > array.shape[0]:
        raise refuse_orientation(path.name, *array.shape[:2])
    readings, notes = pick_channel(
        array.swapaxes(0, 1) if options.transpose and array.ndim >= 2 else array, options.channel, path.name
    )
    return Series(readings, notes=notes)
