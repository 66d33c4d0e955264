"""Tables: what they pool, what they keep apart, what they mark."""

import copy
import random
import statistics

import pytest

from stlora_ext.errors import UserError
from stlora_ext.tables import markdown as md
from stlora_ext.tables.gains import gains_table
from stlora_ext.tables.missing import missing
from stlora_ext.tables.pairs import blocks, corrected
from stlora_ext.tables.rows import by_data
from tests.support.table_records import markdown, record, rows, seeds, typed


def row(text, name):
    return next(line for line in text.splitlines() if line.startswith(f"| {name} |")).replace("**", "")


def grid_lines(table):
    """Return the lines of a table's grids in Markdown."""
    return [line for line in md.render([table]).splitlines() if line.startswith("|")]


def names(part):
    """Return the names of the lines of the first grid in ``part``."""
    grid = part[part.index("| Model |") :].split("\n\n")[0]
    return [line.split(" | ")[0].removeprefix("| ") for line in grid.splitlines()[2:]]


def test_a_cell_is_mean_and_sample_std_over_seeds():
    values = [20.0, 21.0, 23.0]
    cells = row(markdown(seeds(values)), "LSTM").split(" | ")
    mean, std = statistics.fmean(values), statistics.stdev(values)
    assert cells[1] == "3"
    assert f"{mean:.2f} ± {std:.2f}" == cells[2], "the average MAE comes first"
    assert f"{mean + 3:.2f} ± {std:.2f}" == cells[5], "then the steps"


def test_one_run_shows_no_deviation_and_a_deterministic_model_is_marked():
    text = markdown([record(), record("HA", None, protocol="fitted")], ["HA", "LSTM"])
    assert row(text, "LSTM").split(" | ")[2] == "20.00" and "± n/a" not in text
    assert "20.00 ± 0.00†" in row(text, "HA (fitted)") and "† deterministic" in text
    assert text.index("HA (fitted)") < text.index("| LSTM")


@pytest.mark.parametrize(
    ("interval", "titles"),
    [(5, ("15 min", "30 min", "60 min")), (15, ("45 min", "90 min", "3 h")), (60, ("3 h", "6 h", "12 h"))],
)
def test_titles_follow_from_the_interval(interval, titles):
    text = markdown([record(interval=interval)])
    assert all(f"| {title} MAE |" in text for title in titles)


def test_configurations_are_not_pooled_and_their_difference_is_named():
    text = markdown([record(config_hash="aaaaaaaa"), record(seed=1, config_hash="bbbbbbbb", lr=0.01)])
    assert row(text, "LSTM [aaaaaaaa]") and row(text, "LSTM [bbbbbbbb]")
    assert "training.lr = 0.001 [aaaaaaaa], 0.01 [bbbbbbbb]" in text
    text = markdown([record(config_hash="aaaaaaaa"), record(seed=1, config_hash="bbbbbbbb")])
    assert "LSTM: [aaaaaaaa], [bbbbbbbb] differ in something that their records don't hold." in text


def test_different_epochs_stand_in_rows_of_their_own_and_the_budgets_are_told():
    text = markdown(
        [
            *seeds([20, 21], config_hash="aaaaaaaa"),
            *seeds([19, 18], config_hash="bbbbbbbb", epochs=100),
            *seeds([17, 18], model="AGCRN", epochs=100),
        ]
    )
    assert row(text, "LSTM [aaaaaaaa]").split(" | ")[1] == row(text, "LSTM [bbbbbbbb]").split(" | ")[1] == "2"
    assert "LSTM: training.num_epochs = 5 [aaaaaaaa], 100 [bbbbbbbb]." in text
    assert "Budgets differ" in text and "5 epochs at most LSTM; 100 epochs at most AGCRN, LSTM." in text
    assert "Budgets" not in markdown(seeds([1, 2]))


def test_records_of_different_data_are_kept_apart():
    assert list(by_data(typed([record(), record(seed=1, fingerprint="sha256:2")]))) == ["sha256:1", "sha256:2"]
    other = record(seed=1)
    other["data"]["null_val"] = 0.0
    groups = by_data(typed([record(), other]))
    assert sorted(groups) == ["sha256:1 with null value 0.0", "sha256:1 with null value None"]


def test_a_run_that_is_there_twice_is_refused():
    with pytest.raises(UserError, match=r"two records are of the same run, D/LSTM/joint-base-.*-seed1"):
        rows([record(), record(seed=1), record(seed=1, mae=21.0)], [])


def test_a_table_does_not_depend_on_the_order_of_the_records():
    records = [
        *seeds([20, 21, 22]),
        record("HA", None, protocol="fitted"),
        *seeds([7, 8], model="AGCRN"),
        *seeds([19, 19.5, 21], model="LSTM+", arm="plus"),
        *seeds([18, 9], model="LSTM+", arm="control"),
    ]
    text = markdown(records, ["HA"], fill=lambda cell: "-")
    for seed in range(4):
        shuffled = copy.deepcopy(records)
        random.Random(seed).shuffle(shuffled)
        assert markdown(shuffled, ["HA"], fill=lambda cell: "-") == text


def test_the_difference_is_of_runs_with_the_same_seed():
    """Mean and std of the paired differences, absolute and percent; a seed without its partner doesn't count."""
    base, plus = {0: 20.0, 1: 25.0, 2: 21.0, 3: 30.0}, {0: 19.0, 1: 23.0, 2: 20.5, 9: 1.0}
    text = markdown(
        [
            *(record(seed=i, mae=v) for i, v in base.items()),
            *(record("LSTM+", seed=i, mae=v, arm="plus") for i, v in plus.items()),
        ]
    )
    deltas = [plus[i] - base[i] for i in range(3)]
    percents = [100 * (plus[i] - base[i]) / base[i] for i in range(3)]
    for label, values in (("Δ LSTM+", deltas), ("Δ LSTM+, %", percents)):
        cells = row(text, label).split(" | ")
        assert cells[1] == "3"
        assert cells[2] == f"{statistics.fmean(values):+.2f} ± {statistics.stdev(values):.2f}"
    assert names(text) == ["LSTM", "LSTM+", "Δ LSTM+", "Δ LSTM+, %"]


def test_a_plus_is_paired_with_the_base_trained_alike():
    """Two bases that differ in epochs: the difference is against the one with the plus's epochs."""
    text = markdown(
        [
            record(mae=30.0, epochs=1, config_hash="short"),
            *seeds([20.0, 20.0]),
            *seeds([19.0, 19.0], model="LSTM+", arm="plus"),
        ]
    )
    assert row(text, "Δ LSTM+").split(" | ")[11] == "-1.00 ± 0.00"


def test_an_adapted_backbone_is_paired_with_what_was_made_of_it():
    """Of two trained backbones, the one that the record names; not merely one of the same architecture and seed."""
    bases = [*seeds([30.0, 30.0, 30.0], config_hash="aaaaaaaa"), *seeds([20.0, 22.0], config_hash="bbbbbbbb", lr=0.1)]
    plus = [
        record("LSTM+", seed, 19.0, protocol="adapt", arm="plus", backbone=bases[3 + seed]["key"]) for seed in range(2)
    ]
    text = markdown([*bases, *plus])
    assert row(text, "Δ LSTM+").split(" | ")[11] == "-2.00 ± 1.41"
    one = [
        record("LSTM+", seed, 19.0 + seed, protocol="adapt", arm="plus", backbone=bases[3]["key"]) for seed in range(2)
    ]
    text = markdown([*bases, *one])
    assert row(text, "Δ LSTM+").split(" | ")[1:12:10] == ["2", "-0.50 ± 0.71"]
    assert "LSTM+, adapt, plus: Δ is against the adapted backbone, of another seed." in text


def test_a_plus_without_its_base_has_no_difference_and_a_note():
    text = markdown([record(epochs=9), record("LSTM+", arm="plus", config_hash="cccccccc")])
    assert names(text) == ["LSTM", "LSTM+"]
    assert "LSTM+ [cccccccc], joint, plus: no base of the same settings and seeds is here, so there is no Δ." in text


def test_protocols_and_arms_stand_in_blocks_of_their_own():
    records = [
        record(),
        record("HA", None, protocol="fitted", fitted=True),
        record("HA+", protocol="adapt", arm="plus", fitted=True),
        record("LSTM+", arm="plus"),
        record("LSTM+", arm="control"),
        record("LSTM+", protocol="adapt", arm="plus"),
    ]
    text = markdown(records, ["HA", "HA+", "LSTM", "LSTM+"])
    parts = text.split("\n*")[1:]
    assert [part.split("*")[0] for part in parts] == [
        f"{title}{more}"
        for title in ("joint, plus", "joint, control", "adapt, plus")
        for more in ("", ': average MAE, "+" minus base')
    ] + ["average MAE, per-node weights against none"]
    results = parts[:6:2]
    assert all("| HA (fitted) |" in part and "| LSTM |" in part for part in results)
    assert [part.count("| Δ ") for part in results] == [4, 2, 2]
    assert "| HA+ (fitted) |" in results[0] and "HA+ (fitted)" not in "".join(names(results[2]))
    assert "Parameters added: HA+ (fitted) 500 (5.0 %), LSTM+ 500 (5.0 %), LSTM+ (control) 300 (3.0 %)." in text


def test_a_deterministic_base_is_paired_with_every_seed():
    records = [
        record("HA", None, mae=30.0, protocol="fitted", fitted=True, epochs=100),
        *seeds([25.0, 26.0], model="HA+", protocol="adapt", arm="plus", fitted=True),
    ]
    assert row(markdown(records), "Δ HA+ (fitted)").split(" | ")[11] == "-4.50 ± 0.71"


def test_the_best_mean_of_a_column_is_bold_and_so_is_what_prints_alike():
    records = [
        *seeds([20.0, 21.0]),
        *seeds([20.001, 21.001], model="AGCRN"),
        *seeds([19.0, 23.0], model="LSTM+", arm="plus"),
    ]
    text = markdown(records)
    bold = {
        line.split(" | ")[0]: line.split(" | ")[11].startswith("**")
        for line in text.splitlines()
        if line.startswith("| ") and " | " in line and line.count("|") > 12
    }
    assert bold == {
        "| Model": False,
        "| ---": False,
        "| LSTM": True,
        "| AGCRN": True,
        "| LSTM+": False,
        "| Δ LSTM+": False,
        "| Δ LSTM+, %": False,
    }
    assert "Bold: the best mean of its column and block." in text
    assert "**2" not in markdown(seeds([20.0, 21.0])), "one row alone is no best one"


def test_one_pair_has_no_interval_and_no_p():
    text = markdown([record(), record("LSTM+", mae=19.0, arm="plus")])
    assert "| LSTM+ | 1 | -1.000 | n/a | n/a | n/a |" in text and "p n/a: one pair" in text
    assert "Holm" not in text.split("p n/a")[1]


def test_all_tests_of_a_table_are_one_family():
    """Blocks of other arms and protocols count, a test that can't be made doesn't."""
    records = [
        *seeds([20.0, 21.0, 22.5]),
        *seeds([19.0, 20.4, 21.0], model="LSTM+", arm="plus"),
        *seeds([19.9, 20.8, 22.6], model="LSTM+", arm="control"),
        record("AGCRN"),
        record("AGCRN+", arm="plus"),
    ]
    arranged = blocks(rows(records, []))
    tests = [each.test.p for block in arranged for each in block.comparisons]
    assert [p is None for p in tests] == [True, False, False]
    first, second = sorted(p for p in tests if p is not None)
    expected = {None: None, first: 2 * first, second: max(2 * first, second)}
    assert [p for ps in corrected(arranged) for p in ps] == [expected[p] for p in tests]
    assert 'over the 2 tests of "+" minus base in this table' in markdown(records)


def test_a_plus_is_compared_with_the_arms_without_per_node_weights():
    """Seed by seed, of the same protocol and configuration, control first, in a family of its own."""
    records = [
        *seeds([20.0, 21.0]),
        *seeds([18.0, 18.6], model="LSTM+", arm="plus"),
        *seeds([19.5, 19.8, 11.0], model="LSTM+", arm="wide"),
        *seeds([19.0, 20.0], model="LSTM+", arm="control"),
        *seeds([1.0, 1.0], model="LSTM+", arm="control", lr=0.5),
        record("HA", None, protocol="fitted", fitted=True),
        *[
            each
            for arm, mae in (("plus", 17.0), ("control", 18.0))
            for each in seeds(
                [mae, mae + 1],
                model="HA+",
                protocol="adapt",
                arm=arm,
                fitted=True,
                config_hash="h",
                backbone=record("HA", None, protocol="fitted")["key"],
            )
        ],
    ]
    text = markdown(records, ["HA+", "LSTM+"])
    lines = text.split("*average MAE, per-node weights against none*")[1].split("\n\n")[1].splitlines()[2:]
    assert [line.split(" | ")[:3] for line in lines] == [
        ["| HA+ (fitted), adapt, minus control", "2", "-1.000"],
        ["| LSTM+, joint, minus control", "2", "-1.200"],
        ["| LSTM+, joint, minus wide", "2", "-1.350"],
    ]
    assert "Per-node weights against none:" in text
    assert "per-node weights" not in markdown([*seeds([20.0]), *seeds([18.0], model="LSTM+", arm="plus")])


def test_cells_that_are_missing_are_listed():
    records = [
        *seeds([20, 21, 22]),
        *seeds([19, 20], model="LSTM+", arm="plus"),
        record("LSTM+", 7, arm="control"),
        *seeds([18, 19], model="AGCRN"),
        record("HA", None, protocol="fitted", fitted=True),
    ]
    found = missing(blocks(rows(records, ["HA", "LSTM", "AGCRN"])))
    assert [each.title for each in found] == [
        "HA+, adapt, plus: all seeds",
        "LSTM+, joint, plus: seed 2",
        "AGCRN+, joint, plus: seeds 0 1",
        "LSTM, joint, base: seed 7",
        "LSTM+, joint, control: seeds 0 1 2",
    ]
    found = missing(blocks(rows([record("LSTM+", 3, arm="plus")], [])))
    assert [each.title for each in found] == ["LSTM, joint, base: seed 3"]
    assert not missing(blocks(rows([*seeds([1, 2]), *seeds([1, 2], model="LSTM+", arm="plus")], [])))


def test_an_arm_of_two_protocols_needs_no_hash_beside_its_own_control():
    records = [
        *seeds([20.0, 21.0]),
        *(
            each
            for protocol in ("joint", "adapt")
            for arm, mae in (("plus", 18.0), ("control", 19.0))
            for each in seeds([mae, mae + 0.4], model="LSTM+", arm=arm, protocol=protocol)
        ),
    ]
    text = markdown(records, ["LSTM", "LSTM+"])
    assert "| LSTM+, joint, minus control |" in text and "| LSTM+, adapt, minus control |" in text


def test_epochs_are_told_as_a_range_and_by_protocol_where_there_are_two():
    records = [
        *seeds([20.0, 21.0, 22.0], epochs=9),
        *seeds([18.0], model="LSTM+", arm="plus"),
        *seeds([17.0], model="LSTM+", arm="plus", protocol="adapt"),
    ]
    for each, epochs in zip(records, (7, 9, 8, 5, 4), strict=True):
        each["training"]["epochs"] = epochs
    assert "Epochs run: LSTM 7 to 9, LSTM+ adapt 4, LSTM+ joint 5." in markdown(records)


def test_gains_are_a_line_per_backbone():
    """Differences, intervals and what stays of them after Holm's correction, as in the table of all scores."""
    records = [
        *seeds([20.0, 21.0, 22.0]),
        *seeds([18.0, 19.1, 20.0], model="LSTM+", arm="plus"),
        *seeds([19.0, 20.1, 20.9], model="LSTM+", arm="control"),
        *seeds([30.0], model="GWNet"),
        *seeds([31.5], model="GWNet+", arm="plus"),
        record("HA", None, protocol="fitted", fitted=True),
        *seeds(
            [10.0, 30.0],
            model="HA+",
            protocol="adapt",
            arm="plus",
            fitted=True,
            config_hash="h",
            backbone=record("HA", None, protocol="fitted")["key"],
        ),
    ]
    arranged = rows(records, ["HA", "HA+", "LSTM", "LSTM+", "GWNet"])
    text = md.render([gains_table("D", arranged)])
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert lines[0] == [
        "Model",
        "Epochs at most",
        "MAE alone",
        '"+", joint',
        "control, joint",
        '"+", adapt',
        '"+" minus control, joint',
        '"+" adds, %',
    ]
    assert [line[:3] for line in lines[2:]] == [
        ["HA (fitted)", "5", "20.00"],
        ["LSTM", "5", "21.00 ± 1.00"],
        ["GWNet", "5", "30.00 (one seed)"],
    ]
    assert lines[2][3:] == ["–", "–", "+0.00 (-127.06 to +127.06)", "–", "5.0"]
    assert lines[3][3:] == [
        "**-1.97 (-2.11 to -1.82)**",
        "**-1.00 (-1.25 to -0.75)**",
        "–",
        "**-0.97 (-1.11 to -0.82)**",
        "5.0",
    ]
    assert lines[4][3:] == ["+1.50 (one seed)", "–", "–", "–", "5.0"]
    text = markdown(records)
    for shown in ("-1.967 | -2.110 to -1.823", "-1.000 | -1.248 to -0.752", "-0.967 | -1.110 to -0.823"):
        assert shown in text


def test_a_gain_that_holms_correction_leaves_open_is_not_bold():
    """p of the control, 0.04, is the second of three."""
    arms = {"plus": [19.5, 20.4, 21.3], "control": [19.55, 20.25, 21.6], "wide": [19.6, 20.2, 21.6]}
    records = [
        *seeds([20.0, 21.0, 22.0]),
        *(each for arm, values in arms.items() for each in seeds(values, model="LSTM+", arm=arm)),
    ]
    cells = grid_lines(gains_table("D", rows(records, ["LSTM", "LSTM+"])))[-1].split(" | ")[3:6]
    assert cells == ["**-0.60 (-0.85 to -0.35)**", "-0.53 (-1.00 to -0.06)", "-0.53 (-1.11 to +0.04)"]


def test_gains_of_several_settings_or_of_nothing_are_refused_and_bases_of_one_name_told_apart():
    base, plus = seeds([20.0, 21.0]), seeds([18.0, 19.0], model="LSTM+", arm="plus")
    another = seeds([25.0, 26.0], model="LSTM+", arm="plus", config_hash="other")
    with pytest.raises(UserError, match="the adapter of LSTM ran with several settings; --settings LSTM\\+"):
        md.render([gains_table("D", rows([*base, *plus, *another], []))])
    with pytest.raises(UserError, match="--gains: no records of D hold a model with"):
        md.render([gains_table("D", rows(base, []))])
    slow = [*seeds([22.0, 23.0], lr=0.1), *seeds([20.0, 21.5], model="LSTM+", arm="plus", lr=0.1)]
    lines = grid_lines(gains_table("D", rows([*base, *plus, *slow], [])))[2:]
    assert [line.split(" | ")[0] for line in lines] == ["| LSTM [LSTMbasejoint0.001]", "| LSTM [LSTMbasejoint0.1]"]


def test_an_error_that_a_run_lacks_is_absent_from_the_gains():
    records = [*seeds([20.0, 21.0]), *seeds([18.0, 19.0], model="LSTM+", arm="plus")]
    records[0]["test"]["average"]["MAE"] = None
    assert grid_lines(gains_table("D", rows(records, [])))[-1].split(" | ")[2:4] == ["–", "–"]
