"""Every form of a table, parsed back."""

import csv
import io
import re
import statistics
from html.parser import HTMLParser

import pytest

from stlora_ext.tables.formats import FORMATS
from stlora_ext.tables.table import Cell, Column, Grid, Table
from tests.support.table_records import record, seeds, table

STRANGE = "<script>a_b & 100% | {x} #1 $ ~^ {{ 7 * 7 }}"


@pytest.fixture(scope="module")
def tables():
    """Two arms, a name that every form has to escape, an uneven mean, a missing cell."""
    records = [
        record("HA", None, protocol="fitted", fitted=True),
        *seeds([20 + 1 / 3, 21.0, 22.1]),
        *seeds([19.1, 20.0], model="LSTM+", arm="plus"),
        *seeds([20.0, 20.2], model="LSTM+", arm="control"),
        *seeds([30.0, 31.0], model=STRANGE, config_hash="d"),
    ]
    return [table(records, fill=lambda cell: f"run {cell.model}\nnow", heading="Data <1> \\2")]


class Page(HTMLParser):
    """The cells of a page's tables, its tags in balance."""

    def __init__(self):
        super().__init__()
        self.open, self.rows, self.seen, self.bold = [], [], set(), []

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].extend([""] * int(dict(attrs).get("colspan", 1)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data
            self.bold += [data] if "strong" in self.open else []


def cells(tables):
    return [[cell.text for cell in row] for grid in tables[0].grids for row in grid.rows]


def test_markdown_has_equal_columns_and_escapes_names(tables):
    text = FORMATS["markdown"](tables)
    for grid in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in grid.splitlines()}) == 1
    assert "<script>" not in re.sub(r"`[^`\n]*`", "", text), "but in code, which is no markup"
    assert "&lt;script>a_b & 100% \\| {x} #1" in text
    assert "**19.55 ± 0.64**" in text


def test_html_parses_back_to_the_cells_and_a_name_is_no_markup(tables):
    page = Page()
    page.feed(FORMATS["html"](tables))
    page.close()
    assert page.open == [] and "script" not in page.seen
    assert [row for row in page.rows if row and row[0] not in ("", "Model")] == cells(tables)
    assert STRANGE in [row[0] for row in page.rows]
    assert "19.55 ± 0.64" in page.bold and "22.50 ± 0.89" not in page.bold
    heads = [row for row in page.rows if row and row[0] in ("", "Model")]
    assert len(heads[0]) == len(heads[1]) == 14


@pytest.mark.parametrize("form", ["markdown", "latex", "html"])
def test_a_sign_stands_behind_its_cell_in_every_form_that_has_notes(form):
    grid = Grid("", (Column("Model", kind="name"), Column("Δ")), ((Cell("LSTM+", "name"), Cell("-1.25", sign="*")),))
    text = FORMATS[form]([Table("TINY", caption="{{ caption }} <b>", grids=(grid,))])
    assert re.search(r"1\.25(<[^>]+>)? \*", text)
    assert "{{ caption }}" in text or r"\{\{ caption \}\}" in text


def test_an_html_page_of_tables_without_a_name_has_a_title():
    assert "<title>Tables</title>" in FORMATS["html"]([Table("")]) and "<h2>" not in FORMATS["html"]([Table("")])


def test_latex_is_balanced_and_escapes_names(tables):
    text = FORMATS["latex"](tables)
    opened = []
    for kind, name in re.findall(r"\\(begin|end)\{(.+?)\}", text):
        opened.append(name) if kind == "begin" else opened.remove(name)
    assert opened == []
    assert text.count("\\toprule") == text.count("\\midrule") == text.count("\\bottomrule") == len(tables[0].grids)
    plain = re.sub(r"\\[&%$#_{}\\]", "", "\n".join(line for line in text.splitlines() if not line.startswith("%")))
    assert plain.count("{") == plain.count("}") and plain.count("$") % 2 == 0
    assert "%" not in plain and "_" not in plain and "#" not in plain
    bodies = re.findall(r"\\begin\{tabular\}\{([lr]+)\}\n(.*?)\\end\{tabular\}", text, re.DOTALL)
    rows = 0
    for alignment, body in bodies:
        for line in body.splitlines():
            if line.endswith("\\\\"):
                spans = sum(int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", line))
                assert len(re.findall(r"(?<!\\)&", line)) + spans == len(alignment) - 1
                rows += 1
    assert rows == sum(len(grid.rows) + 1 + any(c.group for c in grid.columns) for grid in tables[0].grids)
    assert (
        r"$<$script$>$a\_b \& 100\% $|$ \{x\} \#1 \$ \textasciitilde{}\textasciicircum{}" in text
        and r"\textbackslash{}2" in text
    )
    assert r"\textbf{19.55 $\pm$ 0.64}" in text and "$-$" in text
    assert not set("±Δ†‡") & set("".join(line for line in text.splitlines() if not line.startswith("%")))
    assert "% missing: HA+, adapt, plus: all seeds: run HA+ now" in text


def test_csv_has_a_row_per_score_in_full_precision(tables):
    told = list(csv.DictReader(io.StringIO(FORMATS["csv"](tables))))
    rows = [row for row in told if row["minus"] in ("", "base")]  # a difference from another arm has one of its own
    keys = [(r["protocol"], r["arm"], r["model"], r["horizon"], r["metric"]) for r in rows]
    assert len(rows) == 5 * 4 * 3 and len(set(keys)) == len(keys)
    by_key = dict(zip(keys, rows, strict=True))
    base = by_key["joint", "base", "LSTM", "average", "MAE"]
    values = [20 + 1 / 3, 21.0, 22.1]
    assert float(base["mean"]) == statistics.fmean(values) and float(base["std"]) == statistics.stdev(values)
    assert (base["n"], base["seeds"], base["delta"], base["p"]) == ("3", "0 1 2", "", "")
    plus = by_key["joint", "plus", "LSTM+", "average", "MAE"]
    deltas = [19.1 - values[0], 20.0 - 21.0]
    assert float(plus["delta"]) == statistics.fmean(deltas) and plus["pairs"] == "2"
    assert float(plus["p"]) <= float(plus["p_holm"]) <= 1 and float(plus["ci_low"]) < float(plus["ci_high"])
    assert by_key["joint", "plus", "LSTM+", "6", "RMSE"]["p"] == ""
    assert by_key["fitted", "base", "HA", "3", "MAPE"]["deterministic"] == "1"
    assert ("joint", "base", STRANGE, "12", "MAE") in by_key


@pytest.mark.parametrize("form", FORMATS)
def test_one_seed_is_not_available_in_any_form(form):
    text = FORMATS[form]([table([record(), record("LSTM+", mae=19.0, arm="plus")])])
    if form == "csv":
        assert all(r["std"] == r["p"] == r["ci_low"] == "" for r in csv.DictReader(io.StringIO(text)))
    else:
        assert "n/a" in text and not re.search(r"\bnan\b", text)


@pytest.mark.parametrize("form", FORMATS)
def test_several_tables_are_one_text(tables, form):
    text = FORMATS[form](tables * 2)
    assert text.count("<!DOCTYPE html>") == (form == "html") and text.endswith("\n")
    assert text.count("dataset,fingerprint") == (form == "csv")


def test_csv_holds_what_per_node_weights_add_in_static_tests_too():
    records = [
        each
        for arm, mae in (("base", 20.0), ("plus", 17.0), ("control", 18.0), ("wide", 18.5))
        for each in seeds([mae, mae + 1], model="LSTM" + "+" * (arm != "base"), arm=arm)
    ]
    found = list(csv.DictReader(io.StringIO(FORMATS["csv"]([table(records)]))))
    plus = [row for row in found if (row["arm"], row["horizon"], row["metric"]) == ("plus", "average", "MAE")]
    assert {row["minus"]: row["delta"] for row in plus} == {"base": "-3.0", "control": "-1.0", "wide": "-1.5"}
