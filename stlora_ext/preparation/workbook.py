"""Tables in Excel workbooks and Parquet files, through pandas and the optional extra ``tables``."""

from pathlib import Path

import pandas as pd

from stlora_ext.errors import UserError
from stlora_ext.preparation.from_table import series_from_table
from stlora_ext.preparation.header import has_header, refuse_title
from stlora_ext.preparation.options import ReadingOptions
from stlora_ext.preparation.series import Series
from stlora_ext.preparation.table import Table, find_roles
from stlora_ext.preparation.thousands import Thousands

_SAMPLE = 300
_NEEDED = {".parquet": "pyarrow", ".xlsx": "openpyxl"}


def read_excel(path: Path, options: ReadingOptions) -> Series:
    """Read the first sheet of a workbook.

    Raises:
        UserError: If it is no workbook, or openpyxl isn't installed.
    """
    try:
        with pd.ExcelFile(path, engine="openpyxl") as book:
            sheets = [str(name) for name in book.sheet_names]
            frame = pd.read_excel(book, sheet_name=0, header=None, dtype=object)
    except ImportError:
        raise _install(path) from None
    except Exception as error:  # openpyxl raises almost anything on damaged bytes
        raise _damaged(path, error) from None
    frame = frame.dropna(axis=1, how="all").dropna(axis=0, how="all").reset_index(drop=True)
    if options.transpose:
        frame = frame.T.reset_index(drop=True)
    frame.columns = range(frame.shape[1])
    if frame.empty:
        raise UserError(f"{path.name}: the sheet '{sheets[0]}' is empty: expected a column of times and sensors")
    origin = path.name if len(sheets) == 1 else f"{path.name}, sheet '{sheets[0]}'"
    _refuse_thousands(frame, origin)
    rows = frame.head(_SAMPLE).astype(object).where(frame.head(_SAMPLE).notna(), "").map(_text).to_numpy().tolist()
    if options.header is None:
        refuse_title(rows, origin)
    header, note = (options.header, None) if options.header is not None else has_header(rows)
    names = [name.strip() for name in rows[0]] if header else [str(place) for place in range(frame.shape[1])]
    frame = frame.iloc[int(header) :].reset_index(drop=True)
    table = Table(frame.apply(_typed), names, origin, [] if note is None else [note], named=header)
    table.notes.extend(["rows were sensors: turned"] * bool(options.transpose))
    if len(sheets) > 1:
        table.notes.append(f"the sheet '{sheets[0]}' is read; not used: {', '.join(sheets[1:])}")
    return series_from_table(table, find_roles(table, options), options)


def _refuse_thousands(frame: pd.DataFrame, origin: str) -> None:
    """Refuse numbers that a sheet holds as text with marks between thousands; typed numbers are what they are."""
    thousands = Thousands(";")
    rows = [
        [cell if isinstance(cell, str) else str(cell) if isinstance(cell, int) else "" for cell in row]
        for row in frame.itertuples(index=False)
    ]
    for row in rows:
        thousands.see(row)
    thousands.refuse(origin, rows)


def read_parquet(path: Path, options: ReadingOptions) -> Series:
    """Read a Parquet file; an index with a name, or of times, is a column.

    Raises:
        UserError: If it is none, or pyarrow isn't installed.
    """
    try:
        frame = pd.read_parquet(path, engine="pyarrow")
    except ImportError:
        raise _install(path) from None
    except Exception as error:  # pyarrow raises almost anything on damaged bytes
        raise _damaged(path, error) from None
    if isinstance(frame.index, pd.MultiIndex) or frame.index.name is not None or frame.index.dtype.kind in "MO":
        if frame.index.name is None and not isinstance(frame.index, pd.MultiIndex):
            frame.index.name = "time"
        frame = frame.reset_index()
    names = [str(name) for name in frame.columns]
    if options.transpose:
        frame = pd.DataFrame([names, *frame.astype(object).to_numpy().tolist()]).T
        names = [_text(name) for name in frame.iloc[0]]
        frame = frame.iloc[1:].reset_index(drop=True)
    frame.columns = range(len(names))
    table = Table(frame.apply(_typed), names, path.name, ["rows were sensors: turned"] * bool(options.transpose))
    return series_from_table(table, find_roles(table, options), options)


def _text(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _typed(column: pd.Series) -> pd.Series:
    """Return a column of cells as times, numbers or text."""
    typed = column.infer_objects()
    if isinstance(typed.dtype, pd.CategoricalDtype) or typed.dtype.kind == "O":
        return typed.where(typed.isna(), typed.astype(object).map(_text)).astype("str")
    if pd.api.types.is_extension_array_dtype(typed.dtype) and typed.dtype.kind in "fiu":
        return typed.astype("float64")
    return typed


def _install(path: Path) -> UserError:
    package = _NEEDED[path.suffix.lower()]
    return UserError(
        f"{path.name} is read by {package}, which is not installed: install it with: python -m pip install {package}"
    )


def _damaged(path: Path, error: Exception) -> UserError:
    what = " ".join(str(error).split())[:200]
    return UserError(f"{path.name} cannot be read as {path.suffix} ({what}): save it again, or save it as CSV")
