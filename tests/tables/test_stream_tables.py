"""Protocol stream in tables: what stands beside what, what is compared, what it costs, and what is odd about it."""

import csv
import io
import json
import re

import numpy as np
import pytest

from experiments import table as table_command
from stlora_ext.tables import markdown as md
from stlora_ext.tables.formats import FORMATS
from stlora_ext.tables.gains import gains_table
from stlora_ext.tables.missing import missing
from stlora_ext.tables.pairs import beyond_control, blocks
from stlora_ext.tables.stream_pairs import families
from tests.support.commands import refusal
from tests.support.table_records import arms, markdown, record, rows, seeds, stream, table, with_periods, write

ALL = {
    "base": [24.0, 26.0, 25.0],
    "plus": [20.0, 21.0, 20.8],
    "control": [21.0, 22.2, 21.5],
    "wide": [20.9, 22.0, 21.3],
    "finetune": [19.5, 20.6, 20.2],
}
ORDER = ["HA", "HA+", "LSTM", "LSTM+"]


def grids(text):
    """Return the lines of each grid by its title, as lists of cells without bold."""
    found = {}
    for title, body in re.findall(r"^\*([^*\n]+)\*\n\n((?:\|.*\n)+)", text, re.MULTILINE):
        lines = body.replace("**", "").splitlines()
        found[title] = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    return found


def named(lines):
    """Return the cells of each line by its name and the heads."""
    return {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines[2:]}


def test_a_stream_has_a_block_of_its_own_with_its_arms_in_order_and_what_an_update_costs():
    trained = record(mae=25.0, config_hash="t")
    found = grids(markdown([*arms(ALL), trained, record("LSTM+", mae=19.0, arm="plus")], ORDER))
    assert list(found) == [
        "joint, plus",
        'joint, plus: average MAE, "+" minus base',
        "stream",
        "stream: average MAE, differences",
        'stream: what "+" reaches of finetune\'s gain',
    ]
    assert [line[0] for line in found["joint, plus"][2:] if not line[0].startswith("Δ")] == ["LSTM", "LSTM+"]
    lines = named(found["stream"])
    assert list(lines) == ["LSTM", "LSTM+ (control)", "LSTM+ (wide)", "LSTM+", "LSTM (finetune)"]
    cost = {name: list(line.values())[-4:] for name, line in lines.items()}
    assert cost == {
        "LSTM": ["–", "0", "–", "–"],
        "LSTM+ (control)": ["1.00", "300", "22.0", "64.5"],
        "LSTM+ (wide)": ["1.00", "510", "22.0", "64.5"],
        "LSTM+": ["1.00", "500", "22.0", "64.5"],
        "LSTM (finetune)": ["1.00", "100", "–", "–"],
    }
    assert [lines["LSTM+"][head] for head in ("Seeds", "average MAE", "60 min MAE")] == [
        "3",
        "20.60 ± 0.53",
        "32.60 ± 0.53",
    ]


def test_the_base_of_a_stream_is_no_base_of_other_protocols():
    """Though it has the model, the arm and the settings of the run that trained it."""
    records = rows([*arms(ALL), *seeds([24.0, 26.0], config_hash="t"), *seeds([1.0, 2.0], model="LSTM+", arm="plus")])
    (block,) = blocks(records)
    assert [row.protocol for row in block.rows] == ["joint", "joint"] and not beyond_control(records)
    assert blocks(rows(arms(ALL))) == []


def test_plus_is_set_against_every_other_arm_of_its_seed():
    found = named(grids(markdown(arms(ALL)))["stream: average MAE, differences"])
    assert {name: line["Δ"] for name, line in found.items()} == {
        "LSTM+ minus base": "-4.400",
        "LSTM+ minus control": "-0.967",
        "LSTM+ minus wide": "-0.800",
        "LSTM+ minus finetune": "+0.500",
    }
    assert found["LSTM+ minus base"]["Δ, %"] == "-17.57"
    assert found["LSTM+ minus base"]["95 % CI over seeds"] == "-5.714 to -3.086"


def test_the_tests_of_streams_are_a_family_of_their_own():
    static = [*seeds([20.0, 21.0, 22.5]), *seeds([19.0, 20.4, 21.0], model="LSTM+", arm="plus")]
    alone, both = (grids(markdown(records)) for records in (arms(ALL), [*arms(ALL), *static]))
    title = "stream: average MAE, differences"
    assert alone[title] == both[title]
    p = [float(line["p"]) for line in named(both[title]).values()]
    holm = [float(line["p (Holm)"]) for line in named(both[title]).values()]
    assert min(holm) == pytest.approx(4 * min(p), abs=0.003)
    assert (
        named(both['joint, plus: average MAE, "+" minus base'])["LSTM+"]["p"]
        == (named(both['joint, plus: average MAE, "+" minus base'])["LSTM+"]["p (Holm)"])
    )
    text = markdown([*arms(ALL), *static])
    assert 'over the one test of "+" minus base' in text and "over the 4 tests of protocol stream" in text


def test_what_plus_reaches_of_finetunes_gain_is_of_averaged_scores():
    """(25 - 20.6) / (25 - 20.1); nothing where finetune loses, or gains less than 1 % of the base's error."""
    found = named(grids(markdown(arms(ALL)))['stream: what "+" reaches of finetune\'s gain'])["LSTM+"]
    assert found['"+" reaches of it, %'] == "89.8" and found["finetune minus base"] == "-4.900 ± 0.458"
    worse = ALL | {"finetune": [30.0, 31.0, 32.0]}
    found = named(grids(markdown(arms(worse)))['stream: what "+" reaches of finetune\'s gain'])["LSTM+"]
    assert found['"+" reaches of it, %'] == "n/a" and found["finetune minus base"] == "+6.000 ± 1.000"
    for gained, reached in ((0.24, "n/a"), (0.26, "1692.3")):
        small = ALL | {"finetune": [mae - gained for mae in ALL["base"]]}
        text = markdown(weekly(arms(small)))
        found = named(grids(text)['stream: what "+" reaches of finetune\'s gain'])["LSTM+"]
        assert found['"+" reaches of it, %'] == reached
        assert (found.get("95 % CI over time", "n/a") == "n/a") == (reached == "n/a")
        assert "less than 1 % of the base's error" in text


@pytest.mark.parametrize(("count", "same"), [(3, True), (1, False)])
def test_no_score_is_bold_where_rows_ran_under_different_seeds(count, same):
    text = markdown(arms(ALL | {"plus": ALL["plus"][:count]}))
    scores = text.split("*stream*")[1].split("*stream: average")[0]
    assert ("**" in scores) == same and ("different seeds" in text) != same


def test_plus_of_any_sharing_is_set_against_the_control_which_has_none():
    records = arms(ALL)
    for each in records:
        if each["key"]["arm"] in ("plus", "wide"):
            each["configuration"]["adapter"] = {**(each["configuration"]["adapter"] or {}), "sharing": "node"}
    lines = named(grids(markdown(records))["stream: average MAE, differences"])
    assert {"LSTM+ minus control", "LSTM+ minus wide"} <= set(lines)


def test_the_time_of_an_update_is_a_share_of_finetunes():
    records = arms({"base": [24.0], "plus": [20.0, 20.1, 20.2]}) + arms({"finetune": [19.0, 19.1, 19.2]}, seconds=8.0)
    for each, seconds in zip(records[1:4], (1.0, 2.0, 100.0), strict=True):
        each["stream"]["seconds_per_update"] = seconds
    found = named(grids(markdown(records))['stream: what "+" reaches of finetune\'s gain'])["LSTM+"]
    assert found["update, % of finetune's s"] == "25.0" and found["Seeds"] == "1", "the median; all three of one seed"


def weekly(records, days=70):
    """Give records days that differ, alike in all of them."""
    noise = np.random.default_rng(0).uniform(0.8, 1.2, days)
    counts = np.full(days, 1000)
    own = np.random.default_rng(1).standard_normal(days)
    for each in records:
        mae = each["test"]["average"]["MAE"]
        daily = mae * noise / noise.mean() + 0.2 * (own - own.mean()) * (each["key"]["arm"] == "plus")
        with_periods(each, daily * counts, counts)
    return records


def test_both_intervals_stand_beside_each_other_and_in_percent():
    text = markdown(weekly(arms(ALL)))
    lines = named(grids(text)["stream: average MAE, differences"])
    found = lines["LSTM+ minus control"]
    low, high = map(float, found["95 % CI over time"].split(" to "))
    assert low < -0.967 < high and high - low < 0.3
    percent = [float(end) for end in found["95 % CI over time, %"].split(" to ")]
    assert percent[0] == pytest.approx(100 * low / 21.57, rel=0.1) and percent[1] < 0
    assert "moving-block bootstrap" in text and "No interval over time" not in text
    reached = named(grids(text)['stream: what "+" reaches of finetune\'s gain'])["LSTM+"]
    assert [float(end) for end in reached["95 % CI over time"].split(" to ")] == pytest.approx([89.8, 89.8], abs=3)


def test_static_tables_have_both_intervals_too():
    records = [*seeds([20.0, 21.0]), *seeds([18.0, 19.2], model="LSTM+", arm="plus")]
    records += seeds([18.5, 19.5], model="LSTM+", arm="control")
    text = markdown(weekly(records))
    for title, name in (
        ('joint, plus: average MAE, "+" minus base', "LSTM+"),
        ("average MAE, per-node weights against none", "LSTM+, joint, minus control"),
    ):
        assert re.fullmatch(r"-\d\.\d+ to -\d\.\d+", named(grids(text)[title])[name]["95 % CI over time"])
    text = md.render([gains_table("D", rows(records))])
    assert re.search(r"-1.90 \(-3.17 to -0.63; over time -\S+ to -\S+\)", text)


def test_where_no_record_holds_days_the_column_is_left_out_and_a_note_says_why():
    records = [*seeds([20.0, 21.0]), *seeds([18.0, 19.2], model="LSTM+", arm="plus")]
    text = markdown(records)
    assert "95 % CI over time" not in text and "95 % CI over seeds" in text
    assert "\nNo interval over time: the records hold no error sums per day" in text
    short = markdown(weekly(arms(ALL), days=5))
    assert "95 % CI over time" not in short and "a test of 5 days is shorter than 4 blocks of 7 days." in short
    assert "over time" not in markdown(records[:2]), "nothing is compared"


def test_where_some_records_hold_days_the_others_are_named():
    known = weekly([*seeds([20.0, 21.0]), *seeds([18.0, 19.2], model="LSTM+", arm="plus")])
    before = [*seeds([20.0, 21.0], model="AGCRN"), *seeds([19.0, 19.2], model="AGCRN+", arm="plus")]
    text = markdown([*known, *before])
    lines = named(grids("*x*\n\n" + text.split('"+" minus base*\n\n')[1].split("\n\n")[0] + "\n")["x"])
    assert lines["AGCRN+"]["95 % CI over time"] == "n/a" != lines["LSTM+"]["95 % CI over time"]
    assert "n/a: AGCRN+ joint: the records hold no error sums per day" in text


def test_two_backbones_and_two_trainings_of_one_are_never_mixed():
    """Of one model trained twice, each arm is compared with what went on from the same training."""
    other = {arm: [mae - 10 for mae in values] for arm, values in ALL.items()}
    records = [*arms(ALL, trained="long"), *arms(other, trained="short"), *arms({"plus": [9.0]}, model="HA")]
    records += arms({"base": [30.0]}, model="HA")
    found = grids(markdown(records, ORDER))
    lines = named(found["stream: average MAE, differences"])
    assert len(lines) == 9 and lines["HA+ (fitted) minus base"]["Δ"] == "-21.000"
    hashed = [name for name in lines if name.startswith("LSTM+ [LSTMplus-long] minus")]
    assert len(hashed) == 4
    for name in hashed:
        again = name.replace("long", "short")
        assert lines[name]["Δ"] == lines[again]["Δ"]


def test_several_settings_of_one_adapter_stand_side_by_side_each_against_what_ran_alike():
    records = [
        *arms(ALL),
        *arms({"plus": [19.0, 20.0, 19.9], "control": [20.5, 21.0, 21.1]}, memory=28.0),
        *arms({"plus": [18.0, 19.0, 18.9]}, steps=40, lr=0.003, node_decay=0.1),
        *arms({"control": [20.0, 20.0, 20.1]}, steps=40, lr=0.003),
    ]
    text = markdown(records)
    lines = named(grids(text)["stream: average MAE, differences"])
    minus = {}
    for name, line in lines.items():
        row, _, arm = name.partition(" minus ")
        minus.setdefault(row, {})[arm] = line["Δ"]
    assert list(minus.values()) == [
        {"base": "-4.400", "control": "-0.967", "wide": "-0.800", "finetune": "+0.500"},
        {"base": "-5.367", "control": "-1.233", "finetune": "-0.467"},
        {"base": "-6.367", "control": "-1.400", "finetune": "-1.467"},
    ]
    assert "stream.memory = 14.0 [" in text and "stream.lr = None [" in text
    assert "LSTM+ [LSTMplus-t-memory-28.0] minus finetune: stream.memory 28 and 14, stream.lr 0.003 and" in text


def test_of_several_finetunes_the_one_that_ran_alike_is_compared_or_else_all():
    """A learning rate of its own sets it apart from another finetune, not from the adapter."""
    base = arms({"base": [24.0], "plus": [20.0]})
    tuned = [*arms({"finetune": [19.0]}, lr=0.01), *arms({"finetune": [18.0]}, memory=7.0)]
    lines = named(grids(markdown([*base, *tuned]))["stream: average MAE, differences"])
    assert [name for name in lines if "finetune" in name] == ["LSTM+ minus finetune"]
    assert lines["LSTM+ minus finetune"]["Δ"] == "+1.000"
    more = arms({"plus": [20.0]}, steps=5)
    lines = named(grids(markdown([*base[:1], *more, *tuned]))["stream: average MAE, differences"])
    assert sorted(line["Δ"] for name, line in lines.items() if "finetune [" in name) == ["+1.000", "+2.000"]
    shown = md.render([gains_table("D", rows([*base[:1], *more, *tuned]))])
    assert shown.count("| LSTM+, finetune [") == 2


@pytest.mark.parametrize("left", [("plus",), ("base", "plus"), ("base",), ("control", "finetune"), ("finetune",)])
def test_some_arms_alone_make_a_table_and_what_lacks_is_named(left):
    records = arms({arm: ALL[arm] for arm in left})
    made = table(records, fill=lambda gap: "command")
    text = md.render([made])
    shown = named(grids(text)["stream"]) if "*stream*" in text else {}
    assert len(shown) == len(left)
    assert {title.split(",")[2].split(":")[0].strip() for title, _ in made.missing} == {"base", "plus"} - set(left)
    assert all(render([made]) for render in FORMATS.values())
    assert ("no base from the same trained backbone" in text) == ("base" not in left)
    assert "Epochs run" not in text


def test_one_seed_has_no_interval_over_seeds_but_one_over_time():
    text = markdown(weekly(arms({arm: values[:1] for arm, values in ALL.items()})))
    line = named(grids(text)["stream: average MAE, differences"])["LSTM+ minus finetune"]
    assert (line["95 % CI over seeds"], line["p"]) == ("n/a", "n/a") and " to " in line["95 % CI over time"]
    assert "p n/a: one pair, or differences without any spread, can't be tested." in text


def test_seeds_that_an_arm_lacks_are_missing():
    records = arms(ALL | {"control": [21.0], "finetune": [19.0, 19.5]})
    found = missing([], families(rows(records)))
    assert [gap.title for gap in found] == ["LSTM+, stream, control: seeds 1 2", "LSTM, stream, finetune: seed 2"]
    fitted = [*arms({"base": [30.0]}, model="HA"), *arms({"plus": [20.0, 21.0]}, model="HA")]
    assert not missing([], families(rows(fitted)))
    (gap,) = missing([], families(rows(fitted[1:])))
    assert gap.title == "HA, stream, base: all seeds"


def test_a_base_that_a_stream_went_on_from_lacks_no_plus_trained_together_with_it():
    records = rows([*seeds([24.0, 26.0, 25.0], config_hash="t"), *arms(ALL)])
    assert not missing(blocks(records), families(records))


def test_a_base_goes_with_every_seed_that_was_updated_from_its_weights():
    """One trained backbone, named for every seed: the base, which is never updated, needs to run once."""
    records = arms({"base": [24.0], "plus": [20.0, 21.0]})
    records[2]["trained_backbone"]["key"]["seed"] = 0
    records[2]["key"]["config_hash"] += "-seed0"
    records.append(stream("base", 2, 24.0))
    records[3]["trained_backbone"]["key"]["seed"] = 0
    records[3]["key"]["config_hash"] += "-seed0"
    lines = named(grids(markdown(records))["stream: average MAE, differences"])
    assert [line["Δ"] for line in lines.values()] == ["-4.000", "-3.000"]
    text = markdown(records[:3])  # the base ran under the backbone's own seed alone
    lines = named(grids(text)["stream: average MAE, differences"])
    assert [line["Δ"] for line in lines.values()] == ["-4.000", "-3.000"]
    assert "no base from the same trained backbone" not in text and "missing" not in text.lower()


def test_runs_from_one_named_backbone_miss_none_of_its_other_seeds_and_show_its_base_once():
    records = arms({arm: ALL[arm] for arm in ("base", "plus", "control")})
    for arm, seed in (("plus", 5), ("plus", 6), ("control", 5)):
        each = stream(arm, seed, 20.0)
        each["trained_backbone"]["key"]["seed"] = 0
        each["key"]["config_hash"] += "-seed0"
        records.append(each)
    found = missing([], families(rows(records)))
    assert [gap.title for gap in found] == ["LSTM+, stream, control: seed 6"]
    assert [line[0] for line in grids(markdown(records))["stream"][2:]].count("LSTM") == 1


def test_runs_from_other_weights_under_one_key_are_marked():
    records = arms(ALL)
    assert "‡" not in markdown(records)
    for each in records:
        if each["key"]["arm"] == "finetune":
            each["trained_backbone"]["weights"] = "sha256:other"
    text = markdown(records)
    assert "LSTM+ minus finetune ‡" in text and "LSTM+ minus control ‡" not in text
    assert "LSTM+ stream minus finetune: the backbone's weights." in text


def test_every_number_is_in_the_csv():
    text = FORMATS["csv"]([table(weekly(arms(ALL)))])
    found = list(csv.DictReader(io.StringIO(text)))
    averages = [line for line in found if (line["horizon"], line["metric"]) == ("average", "MAE")]
    scores = {line["arm"]: line for line in averages if line["mean"]}
    assert set(scores) == set(ALL) and {line["protocol"] for line in averages} == {"stream"}
    assert scores["plus"]["parameters_updated"] == "500" and scores["finetune"]["adapter_bytes"] == ""
    assert scores["finetune"]["minus"] == "base" and float(scores["finetune"]["delta"]) == pytest.approx(-4.9)
    minus = {line["minus"]: line for line in averages if line["arm"] == "plus"}
    assert set(minus) == {"base", "control", "wide", "finetune"}
    assert float(minus["wide"]["delta"]) == pytest.approx(-0.8)
    assert all(float(line["over_time_low"]) < float(line["over_time_high"]) for line in minus.values())
    (family,) = families(rows(weekly(arms(ALL))))
    (share,) = family.shares
    told = {arm: line["percent_of_finetune"] for arm, line in minus.items()}
    assert float(told.pop("finetune")) == pytest.approx(share.percent) and set(told.values()) == {""}
    assert float(minus["finetune"]["percent_of_finetune_low"]) == pytest.approx(share.over_time.low)
    assert float(minus["finetune"]["seconds_percent_of_finetune"]) == pytest.approx(share.seconds_percent)
    gains = list(csv.DictReader(io.StringIO(FORMATS["csv"]([gains_table("D", rows(arms(ALL)))]))))
    assert [line["minus"] for line in gains] == ["base", "control", "wide", "finetune"]
    assert all("no error sums per day" in line["no_interval_over_time"] for line in gains)


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_of_every_table_takes_streams_beside_the_rest(form, tmp_path, capsys):
    records = [*arms(ALL), *seeds([24.0, 26.0]), *seeds([20.0, 21.0], model="LSTM+", arm="plus")]
    results = write([{**each, "key": {**each["key"], "dataset": "TINY"}} for each in records], tmp_path)
    for option in ([], ["--short"], ["--gains"], ["--gains", "--short"], ["--ranked"], ["--compare"]):
        table_command.main(["--dataset", "TINY", "--results", str(results), "--format", form, *option])
        shown = capsys.readouterr().out
        assert ("stream" in shown) == ((form, option) != ("csv", ["--ranked"])), option


def test_gains_of_streams_are_a_grid_of_their_own():
    records = [*arms(ALL), *seeds([24.0, 26.0]), *seeds([20.0, 21.0], model="LSTM+", arm="plus")]
    found = grids(md.render([gains_table("D", rows(records))]))
    assert list(found) == ["not updated", "stream"]
    assert found["stream"][0][2:] == [*(f'"+" minus {arm}' for arm in ("base", "control", "wide", "finetune"))] + [
        "of finetune's gain, %"
    ]
    assert found["stream"][2][:3] == ["LSTM+", "25.00 ± 1.00", "-4.40 (-5.71 to -3.09)"]
    assert grids(md.render([gains_table("D", rows(records), short=True)]))["stream"][0][2:] == [
        '"+" minus base',
        '"+" minus control',
    ]


def test_what_can_not_be_shown_of_streams_is_refused_in_a_line(tmp_path, capsys):
    records = [{**each, "key": {**each["key"], "dataset": "TINY"}} for each in arms(ALL)]
    results = write(records, tmp_path)

    def line(*arguments):
        return refusal(table_command.main, ["--dataset", "TINY", "--results", results, *arguments], capsys)

    assert "--ranked: all records of TINY are of protocol stream" in line("--ranked")
    assert "--settings LSTM+: its records" in line("--settings", "LSTM+")
    path = next(results.glob("TINY/LSTM+/stream-plus-*.json"))
    whole = json.loads(path.read_text())
    for damage in (
        {"stream": None},
        {"stream": {**whole["stream"], "every": "day"}},
        {"stream": {**whole["stream"], "more": 1}},
        {"stream": {**whole["stream"], "seconds_per_update": float("nan")}},
        {"stream": [1]},
        {"key": {**whole["key"], "arm": "tuned"}},
        {"configuration": {**whole["configuration"], "stream": [1]}},
        {"test": {**whole["test"], "periods": {"every": 288, "absolute": [], "squared": [], "count": True}}},
        {"provenance": {"processes": [{"versions": 1}]}},
    ):
        path.write_text(json.dumps({**whole, **damage}))
        assert f"record {path} is damaged" in line()
    path.write_text(json.dumps(whole))
    other = results / "TINY" / "LSTM" / "joint-base-t-seed0.json"
    other.write_text(json.dumps({**whole, "key": record(dataset="TINY", config_hash="t")["key"]}))
    table_command.main(["--dataset", "TINY", "--results", str(results)])
    other.write_text(json.dumps({**whole, "key": record(dataset="TINY", config_hash="t")["key"], "stream": {"x": 1}}))
    assert f"record {other} is damaged" in line()
