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


def drawn(tmp_path, stream_of=None, fresh_of=None):
    datasets = {"S": rows(static() + adapted()), "T": rows(static("T", "GWNet"))}
    return evidence_picture(
        datasets, ("D", rows(stream_of or stream())), ("E", rows(fresh_of or new_sensors())), tmp_path
    ).axes


def test_each_backbone_shows_what_plus_differs_from_its_control_by_in_percent(tmp_path):
    axes, _, _ = drawn(tmp_path)
    test = paired_test([100 * (plus - control) / control for plus, control in zip(PLUS, CONTROL, strict=True)])
    assert [text.get_text() for text in axes.get_yticklabels()] == ["LSTM", "GWNet"]
    assert axes.get_legend_handles_labels()[1] == ["S", "T"]
    for bar in axes.containers:
        np.testing.assert_allclose(np.asarray(bar.lines[0].get_xdata(), float), [test.mean])
        (segment,) = bar.lines[2][0].get_segments()
        np.testing.assert_allclose(segment[:, 0], [test.low, test.high])


def test_the_other_panels_are_those_of_the_pictures_of_their_protocols(tmp_path):
    _, over_time, by_days = drawn(tmp_path)
    assert over_time.get_title() == "A network that changes:\nLSTM on D, weekly means"
    assert len(over_time.get_lines()) == 5
    assert by_days.get_title() == "New sensors:\nLSTM on E, 2 splits, 2 seeds"
    assert [text.get_text() for text in by_days.get_xticklabels()] == ["0 d", "1 d", "3 d", "all"]


def test_many_backbones_and_long_legends_make_the_picture_taller(tmp_path):
    few, many = (
        {"S": rows([one for name in names for one in static(model=name)])}
        for names in (["LSTM"], [f"Model{number}" for number in range(36)])
    )
    others = ("D", rows(stream())), ("E", rows(new_sensors()))
    low, high = (evidence_picture(datasets, *others, tmp_path).get_size_inches()[1] for datasets in (few, many))
    assert high > 1.5 * low


@pytest.fixture
def results(tmp_path):
    """Two folders of records: static ones, and in another one those of the two protocols of their own."""
    datasets = {
        "S": static(),
        "apart/D": stream() + stream("GWNet"),
        "apart/E": new_sensors() + new_sensors(backbone="NLinear"),
        "apart/half": stream()[1:],
    }
    for path, records in datasets.items():
        folder, _, name = path.rpartition("/")
        write([{**made, "key": {**made["key"], "dataset": name}} for made in records], tmp_path / "results" / folder)
    return tmp_path / "results"


def evidence(results, stream_of, fresh_of, dataset="S", more=()):
    options = ["--evidence", "--dataset", dataset, "--results", results, "--out", results / "x.png", *more]
    for option, of in (("--stream-of", stream_of), ("--new-sensors-of", fresh_of)):
        options += [option, results / "apart" / of[0], of[1]] if of else []
    return options


@pytest.mark.parametrize("backbones", [("LSTM", "NLinear"), ("GWNet", "LSTM+")])
def test_each_panel_has_a_folder_and_a_backbone_of_its_own(backbones, results):
    plot_command.main([str(word) for word in evidence(results, ("D", backbones[0]), ("E", backbones[1]))])
    assert (results / "x.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("stream_of", "fresh_of", "said"),
    [
        (
            ("D", "LSTN"),
            ("E", "LSTM"),
            "no records of protocol stream of LSTN on D under {results}/apart: did you mean",
        ),
        (("D", "LSTM"), ("E", "NLinea"), "of protocol new-sensors of NLinea on E under {results}/apart: did you mean"),
        (("E", "LSTM"), ("E", "LSTM"), "the records of E under {results}/apart are not of protocol stream"),
        (("half", "LSTM"), ("E", "LSTM"), "--stream-of half: no runs of arm base are there"),
        (
            ("", "LSTM"),
            ("E", "LSTM"),
            "{results}/apart is a folder of data sets: name one of them, such as {results}/apart/D",
        ),
        (None, ("E", "LSTM"), "--evidence needs --stream-of FOLDER MODEL, such as results/NYC-TAXI LSTM"),
        (("D", "LSTM"), None, "--evidence needs --new-sensors-of FOLDER MODEL"),
    ],
)
def test_what_a_panel_lacks_is_named(stream_of, fresh_of, said, results, capsys):
    line = refusal(plot_command.main, evidence(results, stream_of, fresh_of), capsys)
    assert said.format(results=results) in line and not (results / "x.png").exists()


def test_static_records_without_a_control_are_refused(results, capsys):
    for made in (results / "S").rglob("*control*.json"):
        made.unlink()
    line = refusal(plot_command.main, evidence(results, ("D", "LSTM"), ("E", "LSTM")), capsys)
    assert '--evidence: no "+" of S has runs of arm control' in line


def test_several_configurations_of_one_backbone_are_refused_rather_than_drawn_over_each_other(results, capsys):
    other = [{**made, "key": {**made["key"], "config_hash": "h2"}} for made in static() if made["key"]["arm"] != "base"]
    for made in other:
        made["configuration"] = {**made["configuration"], "training": {"lr": 0.1, "num_epochs": 5}}
    write(other, results)
    line = refusal(plot_command.main, evidence(results, ("D", "LSTM"), ("E", "LSTM")), capsys)
    assert "LSTM: runs of several configurations are there, h and h2" in line


@pytest.mark.parametrize("unread", [["--metric", "RMSE"], ["--horizons", "3"], ["--models", "LSTM"]])
def test_options_that_it_does_not_read_are_refused(unread, results, capsys):
    options = evidence(results, ("D", "LSTM"), ("E", "LSTM"), more=unread)
    assert f"{unread[0]}: only for error against horizon, not for --evidence" in refusal(
        plot_command.main, options, capsys
    )


def test_its_options_are_refused_for_other_pictures(results, capsys):
    options = ["--dataset", "S", "--results", results, "--out", results / "x.png", "--stream-of", "results/D", "LSTM"]
    assert "--evidence alone reads --stream-of FOLDER MODEL" in refusal(plot_command.main, options, capsys)
