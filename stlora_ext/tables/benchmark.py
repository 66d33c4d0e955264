"""The table of a benchmark's numbers, from the JSON that the benchmark wrote."""

import json
from pathlib import Path
from typing import Any

from stlora_ext.errors import UserError
from stlora_ext.tables.table import Cell, Column, Grid, Table


def benchmark_table(path: Path) -> Table:
    """Return the table of ``path``: its ``rows``, under ``columns`` of ``[key, heading, format]``.

    Raises:
        UserError: If the file is absent, damaged or of another kind.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        columns, rows = content["columns"], content["rows"]
        cells = tuple(tuple(Cell(_text(row[key], form)) for key, _, form in columns) for row in rows)
        return Table(
            "",
            grids=(Grid("", tuple(Column(str(heading)) for _, heading, _ in columns), cells),),
            numbers=tuple({str(key): row[key] for key, *_ in columns} for row in rows),
            fields=tuple(str(key) for key, *_ in columns),
        )
    except OSError:
        raise UserError(f"benchmark {path} does not exist: run the benchmark with --out {path}") from None
    except Exception as error:  # its formats and cells can be anything
        raise UserError(
            f"{path} is no benchmark that a table can be made of ({type(error).__name__}: {error}): run "
            "the benchmark again with --out"
        ) from None


def _text(value: Any, form: str) -> str:
    return "n/a" if value is None else form.format(value)
