"""One results folder with hostile names and its page, for all tests of the report."""

import pytest

from tests.report.toy import HOSTILE, finished_runs, hostile_data, hostile_runs, report


@pytest.fixture(scope="package")
def folder(tmp_path_factory):
    """A folder with results/, data/ and page.html."""
    root = tmp_path_factory.mktemp("report")
    hostile_runs(finished_runs(root / "results"))
    hostile_data(root / "data")
    report(
        "--results",
        root / "results",
        "--data",
        root / "data",
        "--nodes",
        *HOSTILE,
        4,
        "--out",
        root / "page.html",
        "--threads",
        1,
    )
    return root
