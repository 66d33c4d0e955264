"""Every result in a sentence of the results is recomputed from the records by code of its own."""

import re

import pytest

from docs.recompute.check import check
from docs.recompute.pages import PAGES
from docs.recompute.pages import pages as all_pages
from stlora_ext.folders import ROOT

PAGE = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pages():
    return all_pages()


@pytest.fixture(scope="module")
def claims(pages):
    return next(claims for name, _, claims in pages if name == "docs/results.md")


def test_the_pages_say_what_the_records_say(pages):
    assert {"README.md", "docs/results.md"} < {name for name, _, _ in pages}
    assert [line for _, text, claims in pages for line in check(text, claims)] == []


@pytest.mark.parametrize("which", range(len(PAGES)))
def test_a_claim_with_any_number_changed_is_found(which, pages):
    _, page, claims = pages[which]
    for piece, numbers in claims:
        for place, number in enumerate(numbers):
            changed = [*numbers[:place], re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), number)]
            others = [(other, values) for other, values in claims if other != piece]
            wrong = check(page, [*others, (piece, [*changed, *numbers[place + 1 :]])])
            assert wrong or not re.search(r"\d", number), (piece, number)


def test_a_number_that_is_in_no_claim_is_found(claims):
    page = PAGE.replace("## New sensors", "It gains 4.2 % more, -1,234.5 in all.\n\n## New sensors")
    assert check(page, claims) == ["in no claim: 4.2", "in no claim: -1,234.5"]


def test_tables_pictures_code_links_and_headings_hold_no_sentences():
    page = (
        "# 1\n\n<!-- table: x -->\n2\n<!-- end of table -->\n\n    run 3\n\n![4](5.png) [PEMS08](6.md)\n```\n7\n```\n"
    )
    assert check(page, []) == []


def test_it_shares_no_code_with_the_tables():
    files = list((ROOT / "docs" / "recompute").glob("*.py"))
    assert len(files) > 3
    assert not [file for file in files if "stlora_ext" in file.read_text(encoding="utf-8")]
