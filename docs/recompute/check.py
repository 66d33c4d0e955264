"""Whether a page holds its claims, and no number besides."""

import re
from collections.abc import Sequence


def check(page: str, claims: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """Return what is wrong with a page: claims that it doesn't hold, and numbers that no claim holds.

    Args:
        page: The page in Markdown. Tables, pictures, code, targets of links and headings hold no sentences.
        claims: Pieces of its text in one line, with ``{}`` for each number, and those numbers.
    """
    page = re.sub(r"<!-- table: .*?<!-- end of table -->|```.*?```", "", page, flags=re.DOTALL)
    page = re.sub(r"!\[.*?\]\(.*?\)|^ {4}.*$|^#.*$", "", page, flags=re.MULTILINE)
    text = " ".join(re.sub(r"\]\([^)]*\)", "]", page).replace("`", "").split())
    wrong = []
    for piece, numbers in claims:
        claim = piece.format(*numbers)
        if claim not in text:
            wrong.append(f"not on the page: {claim}")
        text = text.replace(claim, "")
    left = re.findall(r"(?<![\w.-])[+-]?\d[\d,]*(?:\.\d+)?(?!\w)", text)
    return wrong + [f"in no claim: {number}" for number in left]


def section(page: str, heading: str) -> str:
    """Return what stands below a heading of the second level."""
    return page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
