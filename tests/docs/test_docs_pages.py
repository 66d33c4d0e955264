"""The pages under docs/ say what the code and the poster's table say."""

import csv
import re
import runpy
import statistics
from pathlib import Path

import pytest
import torch

from tests.support.commands import ROOT, SHARED

TROUBLESHOOTING = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
DIFFERENCES = (ROOT / "docs" / "differences.md").read_text(encoding="utf-8")
POSTER = SHARED / "reference" / "poster_table.csv"
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", TROUBLESHOOTING, re.DOTALL))
def test_the_python_of_the_page_runs(code, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    torch.manual_seed(0)
    (tmp_path / "page.py").write_text(code, encoding="utf-8")
    runpy.run_path(str(tmp_path / "page.py"))


def anchors(page: Path) -> set[str]:
    """Return what a link can point to within a page: its headings as GitHub writes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_is_there(page):
    for target in re.findall(r"\]\((?!https?:)([^)]+)", page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        other = page.parent / name if name else page
        assert other.exists(), target
        assert not anchor or anchor in anchors(other), target


def test_the_door_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 1500


def test_the_facts_about_the_posters_table_follow_from_it():
    if not POSTER.exists():
        pytest.skip(f"{POSTER} is absent")
    with open(POSTER, encoding="utf-8", newline="") as file:
        cells = {
            (row["model"], row["horizon"], row["metric"]): (float(row["mean"]), float(row["std"]))
            for row in csv.DictReader(file)
        }

    def shares(chosen) -> list[float]:
        return [100 * std / abs(mean) for (model, *_), (mean, std) in cells.items() if chosen(model)]

    def line(what: str, chosen) -> str:
        found = shares(chosen)
        return f"| {what} | {len(found)} | {min(found):.2f} | {statistics.median(found):.2f} | {max(found):.2f} |"

    for expected in (
        line("HA", lambda model: model == "HA"),
        line("the eight other backbones", lambda model: model != "HA" and "+" not in model),
        line('the six "+" rows', lambda model: model.endswith("+") and "Δ" not in model),
        line("the six Δ rows", lambda model: "Δ" in model),
    ):
        assert expected in DIFFERENCES, expected
    six = [
        abs(std - 0.06 * abs(mean)) <= 0.005 + 0.06 * 0.005 + 1e-9
        for (model, *_), (mean, std) in cells.items()
        if "Δ" in model
    ]
    assert f"in {sum(six)} of {len(six)} cells" in DIFFERENCES
    outside = {
        (model, metric)
        for model, horizon, metric in cells
        if horizon == "avg"
        and "Δ" not in model
        and not min(own := [cells[model, step, metric][0] for step in ("3", "6", "12")])
        <= cells[model, "avg", metric][0]
        <= max(own)
    }
    assert outside == {("GWNet", "MAE"), ("GWNet", "RMSE")}
    for metric in ("MAE", "RMSE"):
        scores = [f"{cells['GWNet', step, metric][0]:.2f}" for step in ("3", "6", "12", "avg")]
        assert f"| GWNet {metric} | {' | '.join(scores)} |" in DIFFERENCES


RESULTS = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


def test_every_interval_of_the_stationary_results_is_one_of_a_table():
    text = " ".join(RESULTS.split("\n## Stationary data\n")[1].split("\n## ")[0].split())
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "tables").glob("*.md")]
    claims = re.findall(
        r"([+-][\d.]+) \(([+-][\d.]+ to [+-][\d.]+)\)", re.sub("<!-- table: .*? end of table -->", "", text)
    )
    assert len(claims) >= 11
    for mean, interval in claims:
        shown = (f"{mean} ({interval})", f"| {mean} | {interval} |")
        assert any(one in page for page in pages for one in shown), (mean, interval)


def test_the_results_are_one_page():
    english = re.sub("<!-- table: .*?<!-- end of table -->", "", RESULTS, flags=re.DOTALL)
    assert len(english.split()) <= 900
