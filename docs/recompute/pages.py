"""The pages that state results in sentences, each with its claims."""

from pathlib import Path

from . import kinds, new_sensors, readme, results, streams
from .check import section

ROOT = Path(__file__).parents[2]
PAGES = (
    ("README.md", "Results", readme),
    ("docs/results.md", "", results),
    ("docs/models.md", "Which kinds gain", kinds),
    ("docs/tables/streams.md", "", streams),
    ("docs/tables/new-sensors.md", "", new_sensors),
)


def pages() -> list[tuple[str, str, list[tuple[str, list[str]]]]]:
    """Return the name, the text and the claims of each page, or part of one, that states results in sentences."""
    found = []
    for name, heading, module in PAGES:
        text = (ROOT / name).read_text(encoding="utf-8")
        found.append((name, section(text, heading) if heading else text, module.claims()))
    return found
