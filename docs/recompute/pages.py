"""The pages that state results in sentences, each with its claims."""

from pathlib import Path

from . import kinds, results, streams
from .check import section

DOCS = Path(__file__).parents[1]


def pages() -> list[tuple[str, str, list[tuple[str, list[str]]]]]:
    """Return the name, the text and the claims of each page, or part of one, that states results in sentences."""
    names = ("results.md", "models.md", "tables/streams.md")
    results_page, models_page, streams_page = ((DOCS / name).read_text(encoding="utf-8") for name in names)
    return [
        ("results.md", results_page, results.claims()),
        ("models.md", section(models_page, "Which kinds gain"), kinds.claims()),
        ("tables/streams.md", streams_page, streams.claims()),
    ]
