"""The page: chapters of sections, a table of contents, styles and scripts in one file."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from plotly.offline import get_plotlyjs

from stlora_ext.report.escape import markup

_FOLDER = Path(__file__).parent
_WORDS = """<p>A backbone is a forecasting model; “+” is the same backbone with an ST-LoRA adapter, which corrects it at
each node. Arms: <em>plus</em>, the adapter; <em>control</em>, the adapter without anything node-level; <em>wide</em>,
the control with as many parameters as plus. Protocols: <em>joint</em>, backbone and adapter trained together;
<em>adapt</em>, the adapter alone on a trained, frozen backbone. Runs with the same seed are paired. Lower errors are
better.</p>"""


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
    body: str


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
    title = "ST-LoRA: " + ", ".join(dict.fromkeys(chapter.title.partition(",")[0] for chapter in chapters))
    scripts = [
        text.replace("\r\n", "\n").replace("\r", "\n")
        for text in (get_plotlyjs(), (_FOLDER / "page.js").read_text(encoding="utf-8"))
    ]
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{markup(title)}</title>",
            f"<style>\n{style}</style>",
            "</head>",
            "<body>",
            '<div class="frame">',
            _contents(chapters),
            "<main>",
            f"<h1>{markup(title)}</h1>",
            f'<p class="note">{markup(summary)}</p>',
            _WORDS,
            "<noscript><p>The figures need JavaScript; the tables don't.</p></noscript>",
            *map(_chapter, chapters),
            "</main>",
            "</div>",
            *(f"<script>{script}</script>" for script in scripts),
            "</body>",
            "</html>",
            "",
        ]
    )


def _policy(scripts: Sequence[str]) -> str:
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _contents(chapters: Sequence[Chapter]) -> str:
    lines = ['<nav aria-label="Contents">', "<ul>"]
    for chapter in chapters:
        lines.append(f'<li><a href="#{chapter.name}"><strong>{markup(chapter.title)}</strong></a>\n<ul>')
        lines += [f'<li><a href="#{each.name}">{markup(each.title)}</a></li>' for each in chapter.sections]
        lines.append("</ul></li>")
    return "\n".join([*lines, "</ul>", "</nav>"])


def _chapter(chapter: Chapter) -> str:
    lines = ["<article>", f'<h2 id="{chapter.name}">{markup(chapter.title)}</h2>']
    for each in chapter.sections:
        lines += ["<section>", f'<h3 id="{each.name}">{markup(each.title)}</h3>', each.body, "</section>"]
    return "\n".join([*lines, "</article>"])
