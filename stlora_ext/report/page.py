"""The page: chapters of sections, a table of contents, styles and scripts in one file."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from plotly.offline import get_plotlyjs

from stlora_ext.templates import filled

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Section:
    """A part of a chapter.

    Attributes:
        name: Its anchor, unique in the page.
        title: Its heading.
        body: Its HTML.
    """

    name: str
    title: str
    body: Markup


@dataclass(frozen=True)
class Chapter:
    """What the page says of one data set.

    Attributes:
        name: Its anchor.
        title: Its heading.
        sections: In order.
    """

    name: str
    title: str
    sections: tuple[Section, ...]


def page(chapters: Sequence[Chapter], summary: str) -> str:
    """Return the page.

    It loads nothing, and its policy allows no script but its own two and no connection at all.

    Args:
        chapters: In order.
        summary: What it is made of, a sentence.
    """
    scripts = [
        text.replace("\r\n", "\n").replace("\r", "\n")
        for text in (get_plotlyjs(), (_FOLDER / "page.js").read_text(encoding="utf-8"))
    ]
    return (
        filled(
            "report/page.html",
            title="ST-LoRA: " + ", ".join(dict.fromkeys(chapter.title.partition(",")[0] for chapter in chapters)),
            summary=summary,
            chapters=chapters,
            style=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),
            scripts=list(map(Markup, scripts)),
            digests=[base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts],
        )
        + "\n"
    )
