"""The picture of new sensors: error against days, arm by arm, of the same splits and seeds."""

import numpy as np
import pytest

from experiments import plot as plot_command
from stlora_ext.plots.new_sensors import new_sensors_picture
from stlora_ext.tables.paired import paired_test
from tests.support.commands import refusal
from tests.support.new_sensors_records import every_arm, new_sensors
from tests.support.stream_records import every_arm as streams
from tests.support.table_records import rows, seeds, write

STATIC = [*seeds([20.0, 21.0]), *seeds([19.0, 20.5], model="LSTM+", arm="plus")]


def drawn(records, tmp_path, metric="MAE"):
    """Return the axes of each panel."""
    return new_sensors_picture({"D": rows(records)}, metric, tmp_path).axes


def levels(axes):
    """Return the height of each horizontal line by its name."""
    lines = [line for line in axes.get_lines() if not line.get_label().startswith("_")]
    return {line.get_label().rpartition(", ")[0]: line.get_ydata()[0] for line in lines}


def bars(container):
    return container.lines[2][0].get_segments()


@pytest.mark.parametrize(("metric", "factor"), [("MAE", 1), ("RMSE", 2), ("MAPE", 0.5)])
def test_a_backbone_has_a_panel_with_plus_against_days_and_the_other_arms_as_levels(metric, factor, tmp_path):
    first, second = drawn([*every_arm(), *every_arm(backbone="NLinear"), *STATIC], tmp_path, metric)
    titles = [axes.get_title() for axes in (first, second)]
    assert titles == ["D: LSTM, 2 splits, 2 seeds", "D: NLinear, 2 splits, 2 seeds"]
    assert levels(first) == {"base (zero-shot)": 35.5 * factor, "control": 31.5 * factor, "full": 23.5 * factor}
    (plus,) = first.containers
    np.testing.assert_allclose(plus.lines[0].get_ydata(), [mean * factor for mean in (31.5, 29.5, 25.5, 23.5)])
    assert [text.get_text() for text in first.get_xticklabels()] == ["0 d", "1 d", "3 d", "all"]


def test_a_bar_is_the_interval_of_plus_minus_control_over_splits_about_the_mean_of_plus(tmp_path):
    gains = {0: 1.0, 1: 3.0, 2: 5.0}
    records = [new_sensors("control", split, 0, 40.0 + 10 * split) for split in gains]
    records += [new_sensors("plus", split, 0, [40 + 10 * split - gain] * 2, (1.0,)) for split, gain in gains.items()]
    (axes,) = drawn(records, tmp_path)
    test = paired_test([-1.0, -3.0, -5.0])
    for segment in bars(axes.containers[0]):
        np.testing.assert_allclose(segment[:, 1], [47 + test.low + 3, 47 + test.high + 3])


def test_every_line_is_of_the_splits_and_seeds_that_all_arms_have(tmp_path):
    records = [*every_arm(), new_sensors("base", 2, 0, 900.0), new_sensors("plus", 3, 1, [900.0] * 4)]
    (axes,) = drawn(records, tmp_path)
    assert axes.get_title() == "D: LSTM, 2 splits, 2 seeds" and levels(axes)["base (zero-shot)"] == 35.5
    records = [new_sensors("base", 0), new_sensors("plus", 1, 0, [1.0] * 4)]
    results = write(records, tmp_path / "results")
    options = ["--new-sensors", "--dataset", "D", "--results", results, "--out", tmp_path / "x.png"]
    with pytest.raises(Exception, match="no split and seed of LSTM on D ran in every arm"):
        plot_command.main([str(option) for option in options])


def test_days_that_fewer_runs_fitted_are_left_out_and_named(tmp_path):
    more = new_sensors("plus", 0, 0, [20.0] * 2, days=(7.0,))
    more["key"]["config_hash"] = "more"
    (axes,) = drawn([*every_arm(), more], tmp_path)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0 d", "1 d", "3 d", "all"]
    assert axes.containers[0].get_label().startswith('"+", without 7 d (fewer runs)')


def test_every_sharing_has_a_line_and_a_colour_that_it_shares_with_its_full(tmp_path):
    records = [
        record
        for sharing in ("embedding", "vector", "node")
        for record in every_arm(adapter={"sharing": sharing})
        if sharing == "embedding" or record["key"]["arm"] in ("plus", "full")
    ]
    (axes,) = drawn(records, tmp_path)
    plus = {bar.get_label().partition("\n")[0].partition("=")[2]: bar.lines[0].get_color() for bar in axes.containers}
    full = {
        line.get_label().partition("=")[2].partition(",")[0]: line.get_color()
        for line in axes.get_lines()
        if line.get_label().startswith("full")
    }
    assert plus == full and len(set(plus.values())) == 3
    assert not set(plus.values()) & {line.get_color() for line in axes.get_lines() if "control" in line.get_label()}


def picture(records, folder, *options):
    out = folder / "picture.png"
    results = write(records, folder / "results")
    plot_command.main([*options, "--dataset", "D", "--results", str(results), "--out", str(out)])
    return out.read_bytes()


@pytest.mark.parametrize("options", [[], ["--gains", "LSTM+"], ["--stream"]])
def test_no_other_picture_changes_with_records_of_new_sensors_beside(options, tmp_path):
    alone = streams() if options == ["--stream"] else STATIC
    assert picture(alone, tmp_path / "a", *options) == picture([*alone, *every_arm()], tmp_path / "b", *options)


def test_the_picture_of_new_sensors_does_not_change_with_other_records_beside(tmp_path):
    option = "--new-sensors"
    assert picture(every_arm(), tmp_path / "a", option) == picture([*STATIC, *every_arm()], tmp_path / "b", option)


@pytest.mark.parametrize(
    ("records", "options", "expected"),
    [
        (STATIC, ["--new-sensors"], "not of protocol new-sensors: make some with: python experiments/sweep.py"),
        (every_arm(), [], "are all of protocol new-sensors: draw what is there with --new-sensors"),
        ([*every_arm(), *streams()], [], "all of protocol stream and new-sensors: draw what is there with --stream or"),
        (every_arm(), ["--new-sensors", "--models", "LSTN"], "of protocol new-sensors of LSTN on D under"),
        (every_arm(), ["--new-sensors", "--horizons", "3"], "--horizons: only for error against horizon"),
        (every_arm(), ["--new-sensors", "--stream"], "not allowed with argument"),
    ],
)
def test_what_no_picture_shows_is_refused(records, options, expected, tmp_path, capsys):
    results = write(records, tmp_path / "results")
    arguments = [*options, "--dataset", "D", "--results", results, "--out", tmp_path / "x.png"]
    assert expected in refusal(plot_command.main, arguments, capsys)
    assert not (tmp_path / "x.png").exists()
