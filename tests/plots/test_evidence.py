"""The picture of where per-node weights pay: three panels of one command."""

import numpy as np
import pytest

from experiments import plot as plot_command
from stlora_ext.plots.evidence import evidence_picture
from stlora_ext.tables.paired import paired_test
from tests.support.commands import refusal
from tests.support.new_sensors_records import every_arm as new_sensors
from tests.support.stream_records import every_arm as stream
from tests.support.table_records import record, rows, seeds, write

CONTROL, PLUS = [20.0, 21.0, 22.0], [19.0, 20.5, 20.0]


def static(dataset="S", model="LSTM"):
    """Return a base, "+" and control of one backbone and three seeds."""
    return [
        *seeds([25.0, 26.0, 27.0], model=model, dataset=dataset),
        *seeds(PLUS, model=f"{model}+", arm="plus", config_hash="h", dataset=dataset),
        *seeds(CONTROL, model=f"{model}+", arm="control", config_hash="h", dataset=dataset),
    ]


def adapted(dataset="S"):
    """Return what doesn't belong into the panel of static tests: runs on a frozen backbone that could be trained."""
    return [
        record("STGCN+", arm=arm, protocol="adapt", config_hash="a", dataset=dataset, mae=mae)
        for arm, mae in (("plus", 1.0), ("control", 2.0))
    ]


def everything():
    return {"S": static() + adapted(), "T": static("T", "GWNet"), "D": stream(), "E": new_sensors()}


def drawn(datasets, tmp_path):
    return evidence_picture({name: rows(records) for name, records in datasets.items()}, tmp_path).axes


def test_each_backbone_shows_what_plus_differs_from_its_control_by_in_percent(tmp_path):
    axes, _, _ = drawn(everything(), tmp_path)
    test = paired_test([100 * (plus - control) / control for plus, control in zip(PLUS, CONTROL, strict=True)])
    assert [text.get_text() for text in axes.get_yticklabels()] == ["LSTM", "GWNet"]
    assert axes.get_legend_handles_labels()[1] == ["S", "T"]
    for bar in axes.containers:
        np.testing.assert_allclose(np.asarray(bar.lines[0].get_xdata(), float), [test.mean])
        (segment,) = bar.lines[2][0].get_segments()
        np.testing.assert_allclose(segment[:, 0], [test.low, test.high])


def test_the_other_panels_are_those_of_the_pictures_of_their_protocols(tmp_path):
    _, over_time, by_days = drawn(everything(), tmp_path)
    assert over_time.get_title() == "A network that changes: LSTM on D" and len(over_time.get_lines()) == 5
    assert by_days.get_title() == "New sensors: LSTM on E, 2 splits, 2 seeds"
    assert [text.get_text() for text in by_days.get_xticklabels()] == ["0 d", "1 d", "3 d", "all"]


def saved(datasets, folder):
    for name, records in datasets.items():
        write([{**made, "key": {**made["key"], "dataset": name}} for made in records], folder)
    return folder


def test_models_choose_the_backbone_of_the_stream_and_of_the_new_sensors_alone(tmp_path):
    datasets = everything() | {"D": stream() + stream("GWNet"), "E": new_sensors() + new_sensors(backbone="NLinear")}
    results, out = saved(datasets, tmp_path / "results"), tmp_path / "evidence.png"
    command = ["--evidence", "--dataset", "S", "T", "D", "E", "--results", str(results), "--out", str(out)]
    plot_command.main([*command, "--models", "LSTM"])
    assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (("D", "E"), '--evidence: no "+" of D or E has runs of arm control'),
        (("S", "E"), "--evidence: S and E hold no runs of protocol stream: add a data set"),
        (("S", "D"), "--evidence: S and D hold no runs of protocol new-sensors: add a data set"),
        (("S", "D", "D2", "E"), "protocol stream of one backbone on one of the data sets, not LSTM on D, GWNet on D2"),
    ],
)
def test_what_a_panel_lacks_or_has_too_much_of_is_named(left, said, tmp_path, capsys):
    datasets = everything() | {"D2": stream("GWNet")}
    results = saved({name: datasets[name] for name in left}, tmp_path / "results")
    options = ["--evidence", "--dataset", *left, "--results", results, "--out", tmp_path / "x.png"]
    assert said in refusal(plot_command.main, options, capsys)
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (("S", "D", "E"), "of LSTN on S or D or E under {results}: did you mean 'LSTM'?"),
        (("S", "T"), "of LSTN on S or T under {results}: add a data set that has some to --dataset"),
    ],
)
def test_a_backbone_that_no_panel_has_is_refused_with_the_nearest(left, said, tmp_path, capsys):
    results = saved({name: everything()[name] for name in left}, tmp_path / "results")
    options = ["--evidence", "--dataset", *left, "--models", "LSTN", "--results", results, "--out", tmp_path / "x.png"]
    assert said.format(results=results) in refusal(plot_command.main, options, capsys)


def test_several_configurations_of_one_backbone_are_refused_rather_than_drawn_over_each_other(tmp_path, capsys):
    other = [{**made, "key": {**made["key"], "config_hash": "h2"}} for made in static() if made["key"]["arm"] != "base"]
    for made in other:
        made["configuration"] = {**made["configuration"], "training": {"lr": 0.1, "num_epochs": 5}}
    results = saved(everything() | {"S": static() + other}, tmp_path / "results")
    options = ["--evidence", "--dataset", "S", "D", "E", "--results", results, "--out", tmp_path / "x.png"]
    assert "LSTM: runs of several configurations are there, h and h2" in refusal(plot_command.main, options, capsys)


@pytest.mark.parametrize("unread", [["--metric", "RMSE"], ["--horizons", "3"]])
def test_options_that_it_does_not_read_are_refused(unread, tmp_path, capsys):
    options = ["--evidence", "--dataset", "S", "--out", tmp_path / "x.png", *unread]
    assert f"{unread[0]}: only for error against horizon, not for --evidence" in refusal(
        plot_command.main, options, capsys
    )
