"""The picture of a stream: the error over time, arm by arm."""

import math
import shlex

import numpy as np
import pandas as pd
import pytest

from experiments import plot as plot_command
from experiments import sweep as sweep_command
from stlora_ext.plots.error_over_time import arm_colours, arm_labels, by_backbone, course
from stlora_ext.plots.series import palette
from stlora_ext.plots.stream import MARKERS, stream_picture
from tests.support.commands import refusal
from tests.support.stream_records import DAY, every_arm, stream_record
from tests.support.table_records import rows, seeds, write


def lines(axes):
    return {line.get_label().partition(",")[0]: line for line in axes.get_lines()}


def only(records, metric="MAE", weekly=True):
    (row,) = rows(records)
    return course(row, metric, weekly)


@pytest.mark.parametrize("metric", ["MAE", "RMSE"])
def test_a_week_is_the_mean_over_seeds_of_the_errors_over_all_its_targets(metric):
    generator = np.random.default_rng(0)
    errors, counts = generator.uniform(1, 9, (3, 17)), generator.integers(1, 50, (3, 17))
    records = [
        stream_record(errors=e, counts=c.tolist(), seed=seed)
        for seed, (e, c) in enumerate(zip(errors, counts, strict=True))
    ]
    expected = []
    for days in (range(7), range(7, 14), range(14, 17)):
        by_seed = []
        for e, c in zip(errors, counts, strict=True):
            targets = sum(c[day] for day in days)
            by_seed.append(
                sum(e[day] * c[day] for day in days) / targets
                if metric == "MAE"
                else math.sqrt(sum((2 * e[day]) ** 2 * c[day] for day in days) / targets)
            )
        expected.append(sum(by_seed) / 3)
    np.testing.assert_allclose(only(records, metric).values, expected, rtol=1e-12)


def test_a_week_without_targets_is_a_gap_and_moves_no_other():
    counts = [5] * 7 + [0] * 7 + [5] * 7
    np.testing.assert_array_equal(only([stream_record(errors=[2.0] * 21, counts=counts)]).values, [2, math.nan, 2])


@pytest.mark.parametrize(("every", "periods", "points"), [(DAY, 28, 4), (1, 24 * 15, 3), (50, 10, 3), (8 * DAY, 5, 5)])
def test_every_period_belongs_to_one_week_and_a_longer_one_stands_alone(every, periods, points):
    found = only([stream_record(errors=range(1, periods + 1), every=every)])
    assert len(found.values) == points and (np.diff(found.values) > 0).all()
    assert len(only([stream_record(errors=range(periods), every=every)], weekly=False).values) == periods


def test_time_begins_at_the_first_target_of_the_test_set():
    found = only([stream_record(errors=[1.0] * 17)])
    assert list(found.begins) == list(pd.to_datetime(["2024-01-03 12:00", "2024-01-10 12:00", "2024-01-17 12:00"]))
    assert list(found.middles) == list(pd.to_datetime(["2024-01-07 00:00", "2024-01-14 00:00", "2024-01-19 00:00"]))


def test_time_is_what_a_clock_on_the_spot_shows():
    found = only([stream_record(errors=[1.0] * 14, start="2024-03-26T00:00:00+01:00", timezone="Europe/Berlin")])
    assert list(found.begins) == list(pd.to_datetime(["2024-03-28 12:00", "2024-04-04 13:00"]))  # an hour put forward


@pytest.mark.parametrize(("periods", "points", "said"), [(13, 13, "a point per period"), (14, 2, "weekly means")])
def test_two_weeks_are_needed_for_weekly_means(periods, points, said, tmp_path):
    figure = stream_picture({"D": rows([stream_record(errors=[1.0] * periods)])}, "MAE", tmp_path)
    (axes,) = figure.axes
    assert [len(line.get_xdata()) for line in axes.get_lines()] == [points] and axes.get_title() == f"D: LSTM, {said}"


def test_a_backbone_has_a_panel_with_a_line_per_arm_that_tells_its_cost(tmp_path):
    drawn = {"D": rows([*every_arm("LSTM"), *every_arm("HA")[:-1]]), "METR-LA": rows(every_arm(dataset="METR-LA"))}
    figure = stream_picture(drawn, "MAE", tmp_path)
    titles = [axes.get_title().removesuffix(", weekly means") for axes in figure.axes]
    assert titles == ["D: HA", "D: LSTM", "METR-LA, traffic speed: LSTM"]
    assert [axes.get_ylabel() for axes in figure.axes] == ["MAE (test)", "MAE (test)", "MAE, mph (test)"]
    assert list(lines(figure.axes[0])) == ["base", "control", "wide", "plus"]
    assert [line.get_label() for line in figure.axes[1].get_lines()] == [
        "base, 1 seed\nnever updated",
        "control, 1 seed\n0.25 s per update, adapter of 25.3 kB",
        "wide, 1 seed\n0.25 s per update, adapter of 25.3 kB",
        "plus, 1 seed\n0.25 s per update, adapter of 25.3 kB",
        "finetune, 1 seed\n0.25 s per update, 100 parameters",
    ]


def test_arms_are_drawn_over_the_seeds_that_all_of_them_have(tmp_path):
    records = [
        stream_record(arm, errors=[1.0 + 8 * seed] * 30, seed=seed) for arm in ("base", "plus") for seed in (0, 1)
    ]
    for kept, height in ((records, 5.0), (records[:3], 1.0), (records[1:3], None)):
        drawn = by_backbone(rows(kept))["LSTM"]
        heights = [float(course(row).values[0]) for row in drawn]
        assert heights == ([height] * 2 if height else [9.0, 1.0])


def test_seconds_are_the_median_over_seeds(tmp_path):
    records = [stream_record(seed=seed, seconds=seconds) for seed, seconds in enumerate((0.1, 0.15, None, 0.9))]
    figure = stream_picture({"D": rows(records)}, "MAE", tmp_path)
    assert "plus, 4 seeds\n0.15 s per update" in figure.axes[0].get_lines()[0].get_label()


@pytest.mark.parametrize("largest", [12.0, 15.9, 16.1, 400.0])
def test_a_base_far_above_the_updated_models_is_cut_and_its_largest_error_is_told(largest, tmp_path):
    base = [10.0] * 7 + [largest] * 7 + [10.0] * 7
    records = [stream_record("base", errors=base), *every_arm(errors=[10.0] * 21)[1:]]
    (axes,) = stream_picture({"D": rows(records)}, "MAE", tmp_path).axes
    top, notes = axes.get_ylim()[1], [text.get_text() for text in axes.texts]
    if largest > 16:
        assert top == 13 and notes == [f"base up to {largest:.2f}"]
    else:
        assert top > largest and notes == []


def test_other_arms_are_never_cut(tmp_path):
    records = [
        stream_record("base"),
        stream_record("plus"),
        stream_record("control", errors=[10.0] * 20 + [900.0] * 10),
    ]
    (axes,) = stream_picture({"D": rows(records)}, "MAE", tmp_path).axes
    assert axes.get_ylim()[1] > 500 and not axes.texts


def test_arms_differ_in_colour_and_marker_and_have_the_colours_of_the_picture_of_gains():
    found = by_backbone(rows(every_arm()))["LSTM"]
    arms = [row.arm for row in found]
    assert arms == ["base", "control", "wide", "plus", "finetune"] and set(arms) == set(MARKERS)
    assert len(set(arm_colours(found))) == len(set(MARKERS.values())) == len(arms)
    colours = dict(zip((row.arm for row in found), arm_colours(found), strict=True))
    assert [colours[arm] for arm in ("plus", "control", "wide")] == palette(3)


def test_several_settings_of_an_arm_are_told_apart():
    records = [
        *(stream_record(seed=seed, memory=memory) for memory, count in ((7.0, 1), (14.0, 3)) for seed in range(count)),
        *(stream_record("control", config_hash=name) for name in ("a", "b")),
    ]
    found = by_backbone(rows(records))["LSTM"]
    names = ["control [a]", "control [b]", "plus, stream.memory=14.0", "plus, stream.memory=7.0"]
    assert sorted(arm_labels(found)) == names and len(set(arm_colours(found))) == 4
    colours = dict(zip(arm_labels(found), arm_colours(found), strict=True))
    assert colours["plus, stream.memory=14.0"] == palette(1)[0]  # the one with the most seeds


def static():
    base = seeds([20.0, 21.0], config_hash="b")
    plus = seeds([19.0, 20.5], model="LSTM+", arm="plus")
    for run in (*base, *plus):
        run["configuration"]["training"]["input_len"] = 12
        run["training"]["history"] = [{"epoch": 1, "val": {"MAE": 20.0}}]
    return [*base, *plus]


@pytest.mark.parametrize("options", [[], ["--gains", "LSTM+"], ["--settings", "LSTM+"]])
def test_no_other_picture_changes_with_records_of_streams_beside(options, tmp_path):
    made = []
    for name, records in (("a", static()), ("b", [*static(), *every_arm(), *every_arm("HA")])):
        results = write(records, tmp_path / name)
        plot_command.main(["--dataset", "D", "--results", str(results), "--out", str(tmp_path / "x.png"), *options])
        made.append((tmp_path / "x.png").read_bytes())
    assert made[0] == made[1]


def test_the_command_draws_what_it_is_asked_for_and_the_same_twice(tmp_path):
    results = write([*static(), *every_arm(), *every_arm("AGCRN"), *every_arm(dataset="E")], tmp_path / "results")
    made = {}
    for name, options in (
        ("all", ["--dataset", "D"]),
        ("again", ["--dataset", "D"]),
        ("one", ["--dataset", "D", "--models", "LSTM"]),
        ("of the plus", ["--dataset", "D", "--models", "LSTM+"]),
        ("RMSE", ["--dataset", "D", "--models", "LSTM", "--metric", "RMSE"]),
        ("two sets", ["--datasets", "D", "E", "--models", "LSTM"]),
    ):
        plot_command.main(["--stream", *options, "--results", str(results), "--out", str(tmp_path / "x.png")])
        made[name] = (tmp_path / "x.png").read_bytes()
    assert all(content[:8] == b"\x89PNG\r\n\x1a\n" for content in made.values())
    assert made["all"] == made["again"] and made["one"] == made["of the plus"] and len({*made.values()}) == 4


def changed(change, **settings):
    run = stream_record(**settings)
    change(run)
    return run


def test_the_command_that_makes_streams_puts_them_where_the_picture_looks(tmp_path, capsys):
    write(static(), tmp_path)
    message = refusal(
        plot_command.main, ["--stream", "--dataset", "D", "--results", tmp_path, "--out", tmp_path / "p.png"], capsys
    )
    wanted = sweep_command.parser().parse_args(shlex.split(message.partition("make some with: ")[2])[2:])
    assert (wanted.results, wanted.datasets, wanted.protocols) == (tmp_path, ["D"], ["stream"])


@pytest.mark.parametrize(
    ("records", "options", "message"),
    [
        (static(), [], "are not of protocol stream: make some with: python experiments/sweep.py --datasets D --models"),
        (every_arm(), ["--models", "LSTN"], "of protocol stream of LSTN on D under {}: did you mean 'LSTM'?"),
        (every_arm(), ["--metric", "MAPE"], "--metric MAPE: records hold no percentages of single periods"),
        (every_arm(), ["--horizons", "3"], "--horizons: only for error against horizon, not for --stream"),
        (every_arm(), ["--gains", "LSTM+"], "not allowed with argument --stream"),
        ([changed(lambda run: run["test"].pop("periods"))], [], "doesn't hold the errors of its 30 periods"),
        ([changed(lambda run: run["stream"].update(every=5))], [], "doesn't hold the errors of its 30 periods"),
        ([changed(lambda run: run["stream"].update(every=0))], [], "doesn't hold the errors of its 30 periods"),
        ([changed(lambda run: run["stream"].update(periods=31))], [], "doesn't hold the errors of its 31 periods"),
        ([changed(lambda run: run["stream"]["loss"].pop())], [], "doesn't hold the errors of its 30 periods"),
        ([changed(lambda run: run["data"]["windows"].update(test=9))], [], "doesn't hold the errors of its 30 periods"),
        ([changed(lambda run: run["data"].pop("start"))], [], "doesn't say when its test set begins"),
        ([changed(lambda run: run["data"].update(start="noon"))], [], "doesn't say when its test set begins"),
        ([changed(lambda run: run["data"]["windows"].pop("train"))], [], "doesn't say when its test set begins"),
        (
            [changed(lambda run: run["data"].update(start="2024-01-01T00:00:00+01:00", timezone="Mars/Base"))],
            [],
            "doesn't say when its test set begins",
        ),
        (
            [
                stream_record(),
                {**stream_record(seed=1), "data": {**stream_record()["data"], "fingerprint": "sha256:2"}},
            ],
            [],
            "are of 2 versions of D; keep them apart with --results DIR",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_line(records, options, message, tmp_path, capsys):
    results = write(records, tmp_path / "results")
    out = ["--results", results, "--out", tmp_path / "x.png"]
    line = refusal(plot_command.main, ["--stream", "--dataset", "D", *options, *out], capsys)
    assert message.format(results) in line and not (tmp_path / "x.png").exists()


def test_records_of_streams_alone_have_no_other_picture(tmp_path, capsys):
    results = write(every_arm(), tmp_path / "results")
    for options in ([], ["--gains", "LSTM+"]):
        line = refusal(
            plot_command.main, ["--dataset", "D", "--results", results, "--out", tmp_path / "x.png", *options], capsys
        )
        assert "are all of protocol stream: draw what is there with --stream" in line
