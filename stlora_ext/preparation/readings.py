"""Readings from whatever file holds them."""

from collections.abc import Callable
from pathlib import Path

from stlora_ext.errors import UserError
from stlora_ext.preparation.archive import read_npz
from stlora_ext.preparation.arrays import read_npy
from stlora_ext.preparation.basicts_folder import read_basicts
from stlora_ext.preparation.csv_table import read_csv
from stlora_ext.preparation.hdf5 import read_hdf5
from stlora_ext.preparation.options import ReadingOptions
from stlora_ext.preparation.series import Series
from stlora_ext.preparation.workbook import read_excel, read_parquet

_TABLES: dict[str, Callable[[Path, ReadingOptions], Series]] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".txt": read_csv,
    ".dyna": read_csv,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
    ".hdf": read_hdf5,
    ".parquet": read_parquet,
    ".xlsx": read_excel,
}
_ARRAYS: dict[str, Callable[[Path, ReadingOptions], Series]] = {".npz": read_npz, ".npy": read_npy}

_COMPRESSED = (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ")  # gzip, zip, bzip2, xz


def read_readings(path: Path, options: ReadingOptions, option: str = "--raw") -> Series:
    """Read readings by what the path is: a folder, or a file by its ending.

    Args:
        path: A table, an array, an archive, or a folder that BasicTS prepared.
        options: What the user says of it.
        option: What named the path, for messages.

    Raises:
        UserError: If it is absent, of another kind, or an option says something of another kind of file.
    """
    if not path.exists():
        raise UserError(f"raw file {path} does not exist: check {option}")
    suffix = path.suffix.lower()
    if path.is_dir() or suffix not in _TABLES:
        for given, value in options.given().items():
            if given == "--time-format" and suffix == ".npz":
                continue
            raise UserError(f"{given} {value} tells how a table is written, {path.name} is none: leave it out")
    if path.is_dir():
        if options.timezone is not None or options.transpose:
            given = f"--timezone {options.timezone}" if options.timezone is not None else "--transpose"
            raise UserError(f"{given}: the folder {path.name} has rows and calendar of its own: leave it out")
        return read_basicts(path, options.channel)
    reader = (_TABLES | _ARRAYS).get(suffix)
    if reader in (None, read_csv) and _is_compressed(path):
        raise UserError(f"{path.name} is compressed: unpack it, and give the file that was in it with {option}")
    if reader is None:
        raise UserError(
            f"raw file {path.name} ends in '{suffix}': expected {', '.join([*_ARRAYS, *_TABLES])} or a BasicTS folder"
        )
    return reader(path, options)


def _is_compressed(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(6).startswith(_COMPRESSED)
