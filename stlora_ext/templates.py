"""HTML from templates beside the code that fills them; what is not marked as markup is escaped."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}


def filled(template: str, **values: Any) -> Markup:
    """Return the ``template``, a path below ``stlora_ext``, filled with ``values``."""
    return Markup(_ENVIRONMENT.get_template(template).render(values))


def lines(parts: Iterable[Markup]) -> Markup:
    """Return the parts below each other."""
    return Markup("\n").join(parts)
