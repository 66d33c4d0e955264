"""Recompute every result in a sentence of the documents from the published records alone.

    python -m docs.recompute

It shares no code with the tables: records are read as JSON, differences are paired by seed, intervals are Student's t.
A claim is a piece of the page with ``{}`` for each number, and what these numbers are. Printed are claims that the page
doesn't hold with the numbers recomputed, and numbers of the page that are in no claim. A digit that stands in a piece
itself is stated: the 95 % of an interval, the 0 of no difference, a city's heterogeneity, the paper's claim, a plan.
"""

import sys

from .check import check
from .pages import pages


def main() -> None:
    """Print what is wrong with the pages."""
    found = False
    for name, text, claimed in pages():
        wrong = check(text, claimed)
        found |= bool(wrong)
        print("\n".join(f"{name}: {line}" for line in wrong) or f"{name}: every result in a sentence is the records'")
    sys.exit(found)


if __name__ == "__main__":
    main()
