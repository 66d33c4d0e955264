"""The forms that a table can take; a renderer is imported when it is called, so that a command line can list them."""

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any


def _render(form: str, tables: Sequence[Any]) -> str:
    return import_module(f"stlora_ext.tables.{form}").render(tables)


FORMATS: dict[str, Callable[[Sequence[Any]], str]] = {
    form: partial(_render, form) for form in ("markdown", "latex", "csv", "html")
}
