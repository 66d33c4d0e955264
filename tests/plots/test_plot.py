"""The pictures of error against horizon and of gains."""

import struct

import pytest

from experiments import plot as plot_command
from experiments import run as run_command
from stlora_ext.data.quantity import quantity
from stlora_ext.plots.gains import compared
from stlora_ext.plots.horizons import STYLES, horizon_picture
from stlora_ext.plots.series import style
from stlora_ext.report.curves import DASHES
from stlora_ext.runs.key import WITHOUT_ADAPTER
from stlora_ext.runs.store import read_records
from stlora_ext.tables.rows import table_rows
from stlora_ext.tables.stream_pairs import STREAM_ARMS
from tests.support.commands import refusal
from tests.support.stream_records import stream_record
from tests.support.table_records import record, rows, seeds, write


@pytest.fixture(scope="module")
def results(tiny_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for model in ("HA", "HA_LoRA"):
        run_command.main(
            [
                "-c",
                f"experiments/TINY/{model}.py",
                "--seeds",
                "0",
                "1",
                "--epochs",
                "1",
                "--data",
                str(tiny_data),
                "--results",
                str(folder),
            ]
        )
    return folder


def test_it_is_a_png_and_the_same_for_the_same_records(results, tmp_path):
    for name in ("a.png", "b.png"):
        plot_command.main(["--dataset", "TINY", "--results", str(results), "--out", str(tmp_path / name)])
    content = (tmp_path / "a.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n" and min(struct.unpack(">II", content[16:24])) > 300
    assert content == (tmp_path / "b.png").read_bytes()
    plot_command.main(
        ["--dataset", "TINY", "--results", str(results), "--out", str(tmp_path / "c.png"), "--models", "HA"]
    )
    assert content != (tmp_path / "c.png").read_bytes()


@pytest.mark.parametrize("styles", [STYLES, DASHES])
def test_every_arm_and_protocol_has_a_line_style_of_its_own(styles):
    adapted = [
        record("LSTM+", arm=arm, protocol=protocol)
        for protocol in ("joint", "adapt")
        for arm in STREAM_ARMS
        if arm not in WITHOUT_ADAPTER
    ]
    for records in ([record("LSTM"), *adapted], [stream_record(arm) for arm in STREAM_ARMS]):
        found = [style(row, styles) for row in rows(records, ())]
        assert len(found) == len(set(found)) == len(records)


def test_a_base_that_somebody_calls_adapted_is_drawn(tmp_path):
    write([record("LSTM", protocol="adapt")], tmp_path)
    plot_command.main(["--dataset", "D", "--results", str(tmp_path), "--out", str(tmp_path / "a.png")])
    assert (tmp_path / "a.png").exists()


def test_a_picture_says_what_the_data_set_measures_and_in_which_unit(tmp_path):
    (tmp_path / "data" / "MINE").mkdir(parents=True)
    (tmp_path / "data" / "MINE" / "meta.json").write_text('{"domain": "bikes, 1 $ each, $x_1$"}')
    for dataset, title, axis in (
        ("METR-LA", "METR-LA, traffic speed: error against horizon", "MAE, mph (test)"),
        ("MINE", "MINE, bikes, 1 $ each, $x_1$: error against horizon", "MAE (test)"),
    ):
        figure = horizon_picture(dataset, rows([record(dataset=dataset)]), "MAE", quantity(dataset, tmp_path / "data"))
        (axes,) = figure.axes
        assert (axes.get_title(), axes.get_ylabel()) == (title, axis)
        figure.savefig(tmp_path / "a.png")


def test_models_and_data_sets_without_records_are_named(results, tmp_path, capsys):
    out = ["--results", results, "--out", tmp_path / "x.png"]
    assert "no records of LSTM on TINY" in refusal(
        plot_command.main, ["--dataset", "TINY", "--models", "LSTM", *out], capsys
    )
    assert "no records of 'CITI'" in refusal(plot_command.main, ["--dataset", "CITI", *out], capsys)
    assert not (tmp_path / "x.png").exists()


def test_gains_of_several_data_sets_need_runs_that_pair(tmp_path, capsys):
    for dataset, gain in (("CITY-H0", 0.0), ("MINE", 2.0)):
        write(
            [
                *seeds([20.0, 21.0, 22.0], dataset=dataset),
                *seeds([20.1 - gain, 20.8 - gain, 22.0 - gain], model="LSTM+", arm="plus", dataset=dataset),
                *seeds([20.0, 21.0, 21.0], model="LSTM+", arm="control", dataset=dataset),
            ],
            tmp_path / "results",
        )
    common = ["--results", str(tmp_path / "results"), "--gains", "LSTM+", "--out", str(tmp_path / "gains.png")]
    plot_command.main(["--dataset", "CITY-H0", "MINE", *common])
    assert (tmp_path / "gains.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    found = compared("LSTM+", table_rows(read_records(tmp_path / "results", "MINE"), []))
    assert {label: each.test.mean for label, each in found.items()} == pytest.approx(
        {"plus against base": -2.0 - 0.1 / 3, "control against base": -1 / 3, "plus against control": -1.7}
    )
    misspelt = ["LSTMM+" if word == "LSTM+" else word for word in common]
    line = refusal(plot_command.main, ["--dataset", "MINE", *misspelt], capsys)
    assert "no records of LSTMM+ on MINE: did you mean 'LSTM+'" in line
    write([record("LSTM+", arm="plus", dataset="ALONE")], tmp_path / "results")
    line = refusal(plot_command.main, ["--dataset", "MINE", "ALONE", *common], capsys)
    assert "no runs of LSTM+ on ALONE that pair" in line and "sweep.py --datasets ALONE --models LSTM LSTM+" in line
    write(seeds([18.0], model="LSTM+", arm="plus", dataset="MINE", config_hash="other"), tmp_path / "results")
    assert "several configurations" in refusal(plot_command.main, ["--dataset", "MINE", *common], capsys)
    line = refusal(plot_command.main, ["--dataset", "CITY-H0", *common, "--metric", "RMSE"], capsys)
    assert "--metric: only for error against horizon, not for --gains LSTM+" in line
    several = ["--dataset", "MINE", "ALONE", "--results", str(tmp_path / "results"), "--out", str(tmp_path / "x.png")]
    assert "expected one data set; several go with --gains" in refusal(plot_command.main, several, capsys)
