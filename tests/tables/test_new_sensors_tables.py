"""Protocol new-sensors in tables: what stands beside what, what is compared, and what it counts as one."""

import csv
import io
import shlex

import pytest
from scipy import stats

from experiments import run as run_command
from experiments import table as table_command
from stlora_ext.data.available import open_dataset
from stlora_ext.runs.backbone import run_key
from stlora_ext.tables.formats import FORMATS
from stlora_ext.tables.groups import tables
from stlora_ext.tables.new_sensors_pairs import new_sensors as arranged
from stlora_ext.tables.pairs import beyond_control, blocks
from stlora_ext.tables.settings import by_setting
from tests.support.commands import refusal
from tests.support.new_sensors_records import every_arm, new_sensors
from tests.support.table_records import arms, markdown, rows, seeds, table, typed, write
from tests.tables.test_stream_tables import grids, named

STATIC = [*seeds([20.0, 21.0]), *seeds([19.0, 20.5], model="LSTM+", arm="plus")]
DAYS = ["0 d", "1 d", "3 d", "all"]
FITTED = ['"+", 0 d', '"+", 1 d', '"+", 3 d', '"+", all']


def test_new_sensors_have_a_block_per_backbone_with_a_line_per_number_of_days():
    text = markdown([*every_arm(), *every_arm(backbone="NLinear"), *STATIC])
    found = grids(text)
    assert list(found)[2:] == [
        f"new sensors, {name}{part}" for name in ("LSTM", "NLinear") for part in ("", ": average MAE, differences")
    ]
    lines = named(found["new sensors, LSTM"])
    assert list(lines) == ["base (zero-shot)", "control", *FITTED, "full"]
    assert {line["Splits x seeds"] for line in lines.values()} == {"2 x 2"}
    # Means over seeds are 30.5 and 40.5; what a seed adds is no spread over splits.
    assert lines["base (zero-shot)"]["average MAE"] == "35.50 ± 7.07"
    assert [lines[name]["15 min MAE"][:5] for name in FITTED] == ["34.50", "32.50", "28.50", "26.50"]


def test_no_row_of_new_sensors_stands_with_rows_of_other_protocols():
    records = [*STATIC, *arms({"base": [24.0], "plus": [20.0]})]
    alone, beside = grids(markdown(records)), grids(markdown([*records, *every_arm()]))
    assert {name: beside[name] for name in alone} == alone
    assert blocks(rows(every_arm())) == [] and beyond_control(rows(every_arm())) == []
    assert by_setting(typed(every_arm())) == []


def test_the_control_of_a_learning_rate_of_the_adapter_is_that_of_the_same():
    records = []
    for lr, level in ((None, 40.0), (0.02, 20.0)):
        for arm, mae in (("control", level), ("plus", [level - 1.0]), ("full", level - 2.0)):
            for split in (0, 1):
                made = new_sensors(arm, split, 0, mae, days=())
                made["key"]["config_hash"] += str(lr)
                made["configuration"]["training"]["adapter_lr"] = lr
                records.append(made)
    (family,) = arranged(rows(records))
    assert [round(test.test.mean, 6) for test in family.tests] == [-1.0, -1.0]
    assert [round(share, 6) for share in family.reached.values()] == [50.0, 50.0]


def test_differences_are_averaged_within_a_split_and_tested_over_splits():
    """However many seeds a split has."""
    gains = {0: [1.0, 3.0], 1: [4.0, 4.0, 4.0], 2: [9.0, 7.0]}
    records = []
    for split, values in gains.items():
        for seed, gain in enumerate(values):
            records.append(new_sensors("control", split, seed, 40.0 + 5 * seed))
            records.append(new_sensors("plus", split, seed, [40.0 + 5 * seed - gain] * 2, days=(1.0,)))
    (family,) = arranged(rows(records))
    test = family.tests[0].test
    expected = stats.ttest_1samp([-2.0, -4.0, -8.0], 0)
    interval = expected.confidence_interval()
    assert (test.count, test.mean) == (3, pytest.approx(-14 / 3))
    assert (test.low, test.high, test.p) == pytest.approx((interval.low, interval.high, expected.pvalue))
    percent = sorted(family.tests[0].differences(None, "MAE", percent=True))
    assert percent == pytest.approx([-800 / 42.5, -400 / 45, -200 / 42.5])


def test_a_run_pairs_with_the_same_sensors_and_seed_alone():
    records = [
        new_sensors("control", 0, 0, 20.0),
        new_sensors("control", 1, 0, 90.0),
        new_sensors("plus", 0, 0, [18.0] * 4),
        new_sensors("plus", 0, 1, [70.0] * 4),
        new_sensors("plus", 2, 0, [60.0] * 4),
    ]
    (family,) = arranged(rows(records))
    assert [test.differences(None, "MAE") for test in family.tests] == [[-2.0]] * 4
    text = markdown(records)
    assert "**" not in text.split("new sensors, LSTM*")[1].split("Bold")[0]
    assert "their mean scores are of other sensors and none is bold" in text


def test_what_is_reached_is_in_percent_of_what_full_gains_over_the_control():
    found = named(grids(markdown(every_arm()))["new sensors, LSTM: average MAE, differences"])
    reached = [found[f"{name}, minus control"]["of full's gain, %"] for name in FITTED]
    assert reached == ["0.0", "25.0", "75.0", "100.0"]
    assert {found[f"{name}, minus base"]["of full's gain, %"] for name in FITTED} == {"–"}
    worse = [record for record in every_arm() if record["key"]["arm"] != "full"]
    for records in (worse, [*worse, *(new_sensors("full", split, seed, 99.0) for split in (0, 1) for seed in (0, 1))]):
        found = named(grids(markdown(records))["new sensors, LSTM: average MAE, differences"])
        assert found['"+", 1 d, minus control']["of full's gain, %"] == "n/a"


def test_settings_stand_in_the_labels_where_several_ran_and_a_control_serves_every_sharing():
    """A control has no per-node weights, whatever sharing its config names."""
    of_sharing = [
        new_sensors(arm, split, 0, mae, adapter={"sharing": sharing})
        for sharing, errors in (("embedding", [20.0, 19, 18, 17]), ("vector", [21.0, 20, 19, 18]))
        for split in (0, 1)
        for arm, mae in (("plus", [error + split for error in errors]), ("full", 16.0))
    ]
    (family,) = arranged(rows([*of_sharing, *(new_sensors("control", split, 0, 24.0) for split in (0, 1))]))
    names = [
        f'"+", sharing={sharing}, {days}'
        for sharing in ("embedding", "vector")
        for days in ("0 d", "1 d", "3 d", "all")
    ]
    full = ["full, sharing=embedding", "full, sharing=vector"]
    assert [row.name for row in family.rows] == ["control", *names, *full]
    assert [test.label for test in family.tests] == [f"{name}, minus control" for name in names]
    assert all(reached is not None for reached in family.reached.values())


def test_runs_of_other_shares_or_training_are_blocks_of_their_own():
    records = [*every_arm(), *every_arm(share=0.5), *every_arm(lr=0.01)]
    assert {family.title for family in arranged(rows(records))} == {
        "LSTM, lr=0.001, new_sensors.share=0.2",
        "LSTM, lr=0.001, new_sensors.share=0.5",
        "LSTM, lr=0.01, new_sensors.share=0.2",
    }


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_renders_new_sensors(format):
    assert "new-sensors" in FORMATS[format]([table([*every_arm(), *STATIC])])


def test_tidy_numbers_tell_days_splits_and_what_is_reached():
    lines = list(csv.DictReader(io.StringIO(FORMATS["csv"]([table([*every_arm(), *STATIC])]))))
    fresh = [line for line in lines if line["protocol"] == "new-sensors"]
    plus = [line for line in fresh if (line["arm"], line["horizon"], line["metric"]) == ("plus", "average", "MAE")]
    by_days = {(line["days"], line["minus"]): line for line in plus}
    assert list(by_days) == [(days, minus) for days in ("0", "1", "3", "all") for minus in ("base", "control")]
    assert [by_days[days, "control"]["percent_of_full"] for days in ("0", "1", "3", "all")] == [
        "0.0",
        "25.0",
        "75.0",
        "100.0",
    ]
    assert {(line["splits"], line["seeds"]) for line in fresh if line["mean"]} == {("2", "0 1")}
    assert by_days["1", "base"]["delta"] == "-6.0" and by_days["1", "control"]["delta"] == "-2.0"


def test_a_ranking_leaves_new_sensors_out_and_says_so(tmp_path, capsys):
    write([*STATIC, *every_arm()], tmp_path)
    table_command.main(["--dataset", "D", "--results", str(tmp_path), "--ranked"])
    text = capsys.readouterr().out
    assert "of protocol new-sensors aren't" in text and "20.50" in text
    write(every_arm(), tmp_path / "alone")
    arguments = ["--dataset", "D", "--results", str(tmp_path / "alone"), "--ranked"]
    assert "new-sensors" in refusal(table_command.main, arguments, capsys)


def test_gains_have_a_line_per_setting_with_what_each_number_of_days_gains_over_the_control(tmp_path, capsys):
    dropped = [
        new_sensors("plus", split, seed, [30.0 + 10 * split, 28.0, 25.0, 24.0], adapter={"row_dropout": 0.1})
        for split in (0, 1)
        for seed in (0, 1)
    ]
    write([*STATIC, *every_arm(), *dropped], tmp_path)
    table_command.main(["--dataset", "D", "--results", str(tmp_path), "--gains"])
    text = capsys.readouterr().out
    heads = ("MAE of base", "MAE of control", "MAE of full", *(f'"+" minus control, {at}' for at in DAYS))
    (usual,) = [line for line in text.splitlines() if line.startswith("| LSTM+, row_dropout=0.0 | 2 x 2")]
    assert f"| {' | '.join(heads)} |" in text and "up to 2 seeds and up to 2 splits" in text
    assert "| 35.50 ± 7.07 | 31.50 ± 7.07 | 23.50 ± 7.07 | +0.00 (" in usual and " | -8.00 (" in usual
    assert "| LSTM+, row_dropout=0.0 | 0.0 | 25.0 | 75.0 | 100.0 |" in text
    assert "| LSTM+, row_dropout=0.1 | – | – | – | – |" in text  # no full of these settings ran
    table_command.main(["--dataset", "D", "--results", str(tmp_path), "--gains", "--short", "--format", "csv"])
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    fresh = {(line["adapter"], line["days"]): line["delta"] for line in lines if line["protocol"] == "new-sensors"}
    assert fresh["row_dropout=0.0", "3"] == "-6.0" and fresh["row_dropout=0.0", "all"] == "-8.0" and len(fresh) == 8
    write([one for one in every_arm() if one["key"]["arm"] != "control"], tmp_path / "alone")
    arguments = ["--dataset", "D", "--results", str(tmp_path / "alone"), "--gains"]
    assert "leave --gains out" in refusal(table_command.main, arguments, capsys)
    write(every_arm(splits=[0]), tmp_path / "one")
    table_command.main(["--dataset", "D", "--results", str(tmp_path / "one"), "--gains"])
    assert "-6.00 (one split)" in capsys.readouterr().out


@pytest.mark.parametrize("lacking", ["base", "plus"])
def test_an_arm_that_no_split_has_is_missed_where_others_ran(lacking):
    records = [record for record in every_arm() if record["key"]["arm"] != lacking]
    gaps = table(records, fill=lambda gap: gap.arm).missing
    assert [(title.split(", ")[2], arm) for title, arm in gaps] == [(lacking, lacking)] * 2


def test_runs_that_fitted_other_days_stand_in_one_line_per_number_of_days():
    records = [
        new_sensors("plus", 0, 0, [20.0, 18.0, 16.0], days=(0.0, 1.0)),
        new_sensors("plus", 0, 0, [17.0, 16.0], days=(3.0,)),
        new_sensors("plus", 1, 0, [40.0, 36.0, 36.0], days=(1.0, 7.0)),
    ]
    records[1]["key"]["config_hash"] = "other"
    (family,) = arranged(rows(records))
    counted = {row.name: (row.cell(None, "MAE").mean, len(row.records)) for row in family.rows}
    assert counted == {
        '"+", 0 d': (20, 1),
        '"+", 1 d': (29, 2),
        '"+", 3 d': (17, 1),
        '"+", 7 d': (36, 1),
        '"+", all': (26, 2),
    }


def asked(arm, split, seed, *settings):
    """Return the experiment of a run with these settings."""
    words = ["-c", "experiments/TINY/LSTM_LoRA.py", "--protocol", "new-sensors", "--arm", arm, "--seeds", str(seed)]
    given = [f"new_sensors.split={split}", "new_sensors.share=0.3", "lr=0.01", *settings]
    return run_command.asked_for(run_command.parser().parse_args([*words, "--epochs", "2", "--set", *given]))


def missed(made, meta, folder):
    """Return the keys of the runs that the commands of a table of real keys make, by what is missing."""
    for record, exp in made:
        record["key"] = run_key(exp, meta, *exp.seeds).as_dict()
        record["configuration"] = {**record["configuration"], **exp.settings}
    write([record for record, _ in made], folder)
    (shown,) = tables(["TINY"], folder)
    keys = {}
    for title, command in shown.missing:
        exp = run_command.asked_for(run_command.parser().parse_args(shlex.split(command)[2:]))
        keys[title] = [run_key(exp, meta, seed) for seed in exp.seeds]
    return keys


@pytest.mark.parametrize(("ran", "lacking"), [("base", "plus"), ("plus", "base"), ("full", "base"), ("full", "plus")])
def test_the_command_of_an_arm_that_no_split_has_makes_the_run_that_belongs_to_the_others(
    ran, lacking, tmp_path, tiny_data
):
    """With their training, share and split; days and rate are the usual ones."""
    meta = open_dataset("TINY", tiny_data)
    made = new_sensors(ran, 2, 3, [20.0] * 2 if ran == "plus" else 20.0, days=(1.0,))
    keys = missed([(made, asked(ran, 2, 3))], meta, tmp_path)
    name = f"LSTM{'+' * (lacking == 'plus')}, new-sensors, {lacking}, split 2: seed 3"
    assert keys[name] == [run_key(asked(lacking, 2, 3), meta, 3)]


def test_the_command_of_a_plus_that_none_has_takes_the_adapter_of_the_arms_beside(tmp_path, tiny_data):
    """Not the base's, which has none: followed, the run would pair with neither."""
    meta = open_dataset("TINY", tiny_data)
    runs = [(arm, asked(arm, 0, 0, *["adapter.rank=4"] * (arm != "base"))) for arm in ("base", "control", "full")]
    keys = missed([(new_sensors(arm, 0, 0, 20.0), exp) for arm, exp in runs], meta, tmp_path)
    expected = run_key(asked("plus", 0, 0, "adapter.rank=4"), meta, 0)
    assert [found for title, [found] in keys.items() if ", plus," in title] == [expected]


def test_the_command_of_a_split_or_seed_that_an_arm_lacks_makes_that_run(tmp_path, tiny_data):
    meta = open_dataset("TINY", tiny_data)
    absent = [("base", 1, 1), ("plus", 0, 1), ("control", 1, 0), ("control", 1, 1)]
    runs = [(arm, split, seed) for arm in ("base", "plus", "control") for split in (0, 1) for seed in (0, 1)]

    def experiment(run):
        return asked(*run, *["new_sensors.days=[0,1]"] * (run[0] == "plus"))

    made = [
        (new_sensors(*run, [20.0] * 3 if run[0] == "plus" else 20.0, days=(0.0, 1.0)), experiment(run))
        for run in runs
        if run not in absent
    ]
    expected = {run: run_key(experiment(run), meta, run[2]) for run in absent}
    assert missed(made, meta, tmp_path) == {
        "LSTM, new-sensors, base, split 1: seed 1": [expected["base", 1, 1]],
        "LSTM+, new-sensors, plus, split 0: seed 1": [expected["plus", 0, 1]],
        "LSTM+, new-sensors, control, split 1: seeds 0 1": [expected["control", 1, seed] for seed in (0, 1)],
    }
