"""Numbers below 0.1 are printed with three significant digits, by every command and in every form of a table."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stlora_ext.digits import number, with_interval, with_spread
from stlora_ext.runs.scores import score_lines
from stlora_ext.tables import markdown as md
from stlora_ext.tables.formats import FORMATS
from stlora_ext.tables.gains import gains_table
from stlora_ext.tables.settings import by_setting, settings_tables
from tests.support.profile import steady
from tests.support.table_records import record, rows, table, typed

SIZES = st.floats(1e-6, 1e4)


def decimals(text):
    """Return how many decimals each number of a text has."""
    return [len(found) for found in re.findall(r"\d\.(\d+)", text)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (23.4312, "23.43"),
        (0.5, "0.50"),
        (0.1, "0.10"),
        (0.0312, "0.0312"),
        (0.00312, "0.00312"),
        (-0.000412, "-0.000412"),
        (0.0, "0.00"),
        (None, "n/a"),
        (1e-14, "0.00"),
    ],
)
def test_a_small_number_shows_three_significant_digits_and_others_two_decimals(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("mean", "std", "text"),
    [
        (23.431, 0.1234, "23.43 ± 0.12"),
        (0.00312, 0.0000521, "0.00312 ± 0.00005"),
        (-0.0312, 0.0154, "-0.0312 ± 0.0154"),
        (0.0346, 0.91, "0.03 ± 0.91"),
        (21.566, 0.0036, "21.566 ± 0.004"),
        (-0.0004, 0.05, "-0.0004 ± 0.0500"),
        (0.00312, None, "0.00312"),
        (20.0, 0.0, "20.00 ± 0.00"),
        (-2.0, 1e-15, "-2.00 ± 0.00"),
    ],
)
def test_a_mean_and_its_deviation_have_the_same_decimals(mean, std, text):
    assert with_spread(mean, std) == text


@steady
@given(SIZES, st.booleans(), SIZES)
def test_only_nothing_is_printed_as_nothing_and_decimals_match(size, below, std):
    mean = -size if below else size
    texts = with_spread(mean, std).split(" ± ")
    assert len(set(decimals(" ".join(texts)))) == 1
    for value, text in zip((mean, std), texts, strict=True):
        assert float(text) != 0 or abs(value) < 1e-6 * max(size, std)
    if max(size, std) < 0.1:
        assert float(texts[size < std]) == pytest.approx([mean, std][size < std], rel=0.005)


@steady
@given(st.floats(1e-6, 0.02), st.floats(0.1, 3))
def test_a_small_interval_shows_its_mean_and_all_have_its_decimals(size, width):
    text = with_interval(-size, -size - width * size, -size + width * size)
    assert len(set(decimals(text))) == 1 and float(text.split()[0]) == pytest.approx(-size, rel=0.02)


def small(factor=1e-4, **settings):
    """Return records of small scores: MAE 0.00312 and 0.00316 without adapter, 0.00287 and 0.00293 with one."""
    found = [record(seed=seed, mae=mae, **settings) for seed, mae in enumerate((31.2, 31.6))]
    found += [record("LSTM+", seed, mae, arm="plus", **settings) for seed, mae in enumerate((28.7, 29.3))]
    for each in found:
        for scores in (each["test"]["average"], *each["test"]["horizons"]):
            scores.update({metric: value * factor for metric, value in dict(scores).items()})
        each["training"]["history"] = [{"epoch": 1, "val": {"MAE": each["test"]["average"]["MAE"]}}]
    return found


@pytest.mark.parametrize("form", ["markdown", "latex", "html"])
def test_a_table_of_small_scores_says_how_large_they_are_in_every_form(form):
    text = FORMATS[form]([table(small())]).replace(r"$\pm$", "±").replace("$-$", "-")
    assert "0.00314 ± 0.00003" in text and "0.00290 ± 0.00004" in text, "the average MAE"
    assert "-0.000240 ± 0.000014" in text, "their difference"
    assert "0.00 ±" not in text and "-0.00 " not in text
    assert "-0.000240" in text and "+0.000 " not in text, "the test"


def test_what_prints_alike_is_best_together_and_what_does_not_is_not():
    """All of these are 0.00 at two decimals."""
    text = FORMATS["markdown"]([table(small())])
    assert "**0.00290 ± 0.00004**" in text and "**0.00314" not in text


def test_gains_and_settings_of_small_scores_say_how_large_they_are():
    text = md.render([gains_table("D", rows(small(), ()))])
    assert "0.00314 ± 0.00003" in text and "-0.000240 (" in text
    text = md.render(settings_tables(by_setting(typed(small()))))
    assert text.count("0.00290 ± 0.00004") == 2 and "0.00314 ± 0.00003" in text


def test_a_deterministic_model_keeps_its_marked_deviation():
    records = small()[:1]
    records[0]["key"].update(model="HA", seed=None, protocol="fitted")
    assert "0.00312 ± 0.00†" in FORMATS["markdown"]([table(records)])


def test_the_lines_of_a_run_with_small_scores_say_how_large_they_are():
    lines = score_lines(typed(small())[0].scores, 5)
    assert lines[-1].split() == ["average", "MAE", "0.00312", "RMSE", "0.00624", "MAPE", "0.00156"]
