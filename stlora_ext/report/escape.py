"""Text from data, made safe for each place of the page that it goes to."""

import json
from html import escape
from typing import Any

_IN_SCRIPT = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def markup(text: Any) -> str:
    """Return ``text`` for HTML, in elements and in quoted attributes."""
    return escape(str(text))


def label(text: Any) -> str:
    """Return ``text`` for a label of plotly, which reads some HTML, and ``%{...}`` in hover texts."""
    return escape(str(text), quote=False).replace("%{", "%&#123;")


def script(text: str) -> str:
    """Return the JSON ``text`` for a script element: no character in it can end the element."""
    return "".join(_IN_SCRIPT.get(character, character) for character in text)


def script_json(content: Any) -> str:
    """Return ``content`` as JSON for a script element."""
    return script(json.dumps(content, allow_nan=False, separators=(",", ":")))
