"""The picture of error against horizon."""

import struct

import pytest

from experiments import plot as plot_command
from experiments import run as run_command
from tests.commands import refusal


@pytest.fixture(scope="module")
def results(tiny_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for model in ("HA", "HA_LoRA"):
        run_command.main(["-c", f"experiments/TINY/{model}.py", "--seeds", "0", "1", "--epochs", "1", "--data",
                          str(tiny_data), "--results", str(folder)])
    return folder


def test_it_is_a_png_and_the_same_for_the_same_records(results, tmp_path):
    for name in ("a.png", "b.png"):
        plot_command.main(["--dataset", "TINY", "--results", str(results), "--out", str(tmp_path / name)])
    content = (tmp_path / "a.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n" and min(struct.unpack(">II", content[16:24])) > 300
    assert content == (tmp_path / "b.png").read_bytes()
    plot_command.main(["--dataset", "TINY", "--results", str(results), "--out", str(tmp_path / "c.png"),
                       "--models", "HA"])
    assert content != (tmp_path / "c.png").read_bytes()


def test_models_and_data_sets_without_records_are_named(results, tmp_path, capsys):
    out = ["--results", results, "--out", tmp_path / "x.png"]
    assert "no records of LSTM on TINY" in refusal(plot_command.main, ["--dataset", "TINY", "--models", "LSTM", *out],
                                                   capsys)
    assert "no records of 'CITI'" in refusal(plot_command.main, ["--dataset", "CITI", *out], capsys)
    assert not (tmp_path / "x.png").exists()
