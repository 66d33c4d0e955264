"""The pages under docs/ say what the code and the poster's table say."""

import ast
import csv
import re
import runpy
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.commands import ROOT, SHARED

TROUBLESHOOTING = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
DIFFERENCES = (ROOT / "docs" / "differences.md").read_text(encoding="utf-8")
POSTER = SHARED / "reference" / "poster_table.csv"
FOLDERS = ("baselines", "datasets", "experiments", "stlora_ext")
REFUSALS = (("UserError", "argparse.ArgumentTypeError"), ("ValueError",))  # of the project, of baselines/
QUOTATIONS = re.findall(r"^- `(.+)`$", TROUBLESHOOTING, re.MULTILINE)
HOLE = "\0"  # what a message fills in
WORD = re.compile(r"[a-z]{2}")  # a message without one only puts something before another message


def templates(node: ast.expr) -> list[str]:
    """Return the texts that ``node`` can be, what is filled in as ``HOLE``."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return ["".join(part.value if isinstance(part, ast.Constant) else HOLE for part in node.values)]
    if isinstance(node, ast.IfExp):
        return templates(node.body) + templates(node.orelse)
    return []


def nodes() -> Iterator[tuple[Path, ast.AST]]:
    """Yield every syntax node of the project's sources with its file."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield from ((path.relative_to(ROOT), node) for node in ast.walk(ast.parse(path.read_text("utf-8"))))


def refusals() -> dict[str, str]:
    """Return every message that a user can meet as a refusal, and where it is raised."""
    return {text: f"{path}:{node.lineno}" for path, node in nodes()
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args
            and ast.unparse(node.exc.func) in REFUSALS[path.parts[0] == "baselines"]
            for text in templates(node.exc.args[0]) if WORD.search(text)}


def pattern(quotation: str) -> re.Pattern[str]:
    """Return what finds a quotation in a message; "..." stands for anything."""
    return re.compile(".*".join(re.escape(part) for part in quotation.split("...")), re.DOTALL)


def test_every_quoted_refusal_is_in_the_sources():
    texts = {text for _, node in nodes() if isinstance(node, (ast.Constant, ast.JoinedStr)) for text in templates(node)}
    assert len(QUOTATIONS) > 100
    absent = [quotation for quotation in QUOTATIONS if not any(map(pattern(quotation).search, texts))]
    assert not absent, f"docs/troubleshooting.md quotes what no message says: {absent}"


def test_every_refusal_is_quoted():
    patterns = [pattern(quotation) for quotation in QUOTATIONS]
    absent = {where: text.replace(HOLE, "...") for text, where in refusals().items()
              if not any(each.search(text) for each in patterns)}
    assert not absent, f"docs/troubleshooting.md lacks a line - `MESSAGE` for these refusals: {absent}"


def test_no_refusal_is_quoted_twice():
    assert len(set(QUOTATIONS)) == len(QUOTATIONS)


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", TROUBLESHOOTING, re.DOTALL))
def test_the_python_of_the_page_runs(code, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    torch.manual_seed(0)
    (tmp_path / "page.py").write_text(code, encoding="utf-8")
    runpy.run_path(str(tmp_path / "page.py"))


@pytest.mark.parametrize("page", [TROUBLESHOOTING, DIFFERENCES], ids=["troubleshooting", "differences"])
def test_what_a_page_links_to_is_there(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page):
        assert (ROOT / "docs" / target).exists(), target


def test_the_facts_about_the_posters_table_follow_from_it():
    if not POSTER.exists():
        pytest.skip(f"{POSTER} is absent")
    with open(POSTER, encoding="utf-8", newline="") as file:
        cells = {(row["model"], row["horizon"], row["metric"]): (float(row["mean"]), float(row["std"]))
                 for row in csv.DictReader(file)}

    def shares(chosen) -> list[float]:
        return [100 * std / abs(mean) for (model, *_), (mean, std) in cells.items() if chosen(model)]

    def line(what: str, chosen) -> str:
        found = shares(chosen)
        return (f"| {what} | {len(found)} | {min(found):.2f} | {statistics.median(found):.2f} | {max(found):.2f} |")

    for expected in (line("HA", lambda model: model == "HA"),
                     line("the eight other backbones", lambda model: model != "HA" and "+" not in model),
                     line('the six "+" rows', lambda model: model.endswith("+") and "Δ" not in model),
                     line("the six Δ rows", lambda model: "Δ" in model)):
        assert expected in DIFFERENCES, expected
    six = [abs(std - 0.06 * abs(mean)) <= 0.005 + 0.06 * 0.005 + 1e-9 for (model, *_), (mean, std) in cells.items()
           if "Δ" in model]
    assert f"in {sum(six)} of {len(six)} cells" in DIFFERENCES
    outside = {(model, metric) for model, horizon, metric in cells if horizon == "avg" and "Δ" not in model
               and not min(own := [cells[model, step, metric][0] for step in ("3", "6", "12")])
               <= cells[model, "avg", metric][0] <= max(own)}
    assert outside == {("GWNet", "MAE"), ("GWNet", "RMSE")}
    for metric in ("MAE", "RMSE"):
        figures = [f"{cells['GWNet', step, metric][0]:.2f}" for step in ("3", "6", "12", "avg")]
        assert f"| GWNet {metric} | {' | '.join(figures)} |" in DIFFERENCES
