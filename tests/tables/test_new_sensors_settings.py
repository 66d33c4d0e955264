"""Adapters for new sensors side by side: chosen by what known sensors say, not by those that were set aside."""

import csv
import io

from experiments import table as table_command
from stlora_ext.tables import markdown
from stlora_ext.tables.new_sensors_settings import new_sensors_settings_tables
from tests.support.commands import refusal
from tests.support.new_sensors_records import new_sensors, scores
from tests.support.stream_records import stream_record
from tests.support.table_records import rows, write


def run(arm, validation, known=(), split=0, **settings):
    """Return a record: ``validation`` of the known sensors, ``known`` of those set aside in turn, by days."""
    made = new_sensors(arm, split, 0, [20.0] * 4 if arm == "plus" else 20.0, **settings)
    made["training"]["history"] = [{"val": {"MAE": error}} for error in (validation + 1, validation)]
    for fit, mae in zip(made["new_sensors"]["fits"], known, strict=False):
        fit["known_mae"] = mae
    return made


def searched():
    dropped = {"adapter": {"row_dropout": 0.1}}
    return [
        run("base", 30.0),
        run("control", 25.0),
        run("plus", 20.0, (40.0, 24.0, 22.0, 21.0)),
        run("plus", 22.0, (50.0, 26.0, 24.0, 23.0), split=1),
        run("plus", 20.5, (26.0, 24.5, 22.5, 21.5), **dropped),
    ]


def shown(records, model="LSTM+"):
    text = markdown.render(new_sensors_settings_tables(rows(records), model))
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]


def test_a_line_per_setting_says_what_it_costs_known_sensors_and_what_it_gives_them_when_set_aside():
    head, _, *lines = shown(searched())
    assert head[1:5] == ["Parameters", "Splits", "Runs", "known sensors"]
    assert [name[-3:].strip() for name in head[5:]] == ["0 d", "1 d", "3 d", "all"]
    assert lines == [
        ["control", "300", "1", "1", "25.000", "–", "–", "–", "–"],
        ['"+", row_dropout=0.0', "500", "2", "2", "21.000", "45.000", "25.000", "23.000", "22.000"],
        ['"+", row_dropout=0.1', "500", "1", "1", "20.500", "26.000", "24.500", "22.500", "21.500"],
    ]


def test_scores_of_the_sensors_that_were_set_aside_change_nothing():
    others = searched()
    for made in others:
        for fit in made["new_sensors"]["fits"]:
            fit["test"] = scores(1.0)
    assert shown(others) == shown(searched())


def test_records_of_before_have_no_error_of_known_sensors_set_aside():
    (line,) = shown([run("plus", 20.0)])[2:]
    assert line[4:] == ["20.000", "–", "–", "–", "–"]


def test_the_command_prints_it_and_every_number_as_csv(tmp_path, capsys):
    write(searched(), tmp_path)
    asked = ["--dataset", "D", "--settings", "LSTM+", "--results", str(tmp_path)]
    table_command.main(asked)
    assert "**LSTM, new-sensors**" in capsys.readouterr().out
    table_command.main([*asked, "--format", "csv"])
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(line["days"], line["set_aside_mae"]) for line in lines if line["adapter"].endswith("0.1")] == [
        ("0 d", "26.0"),
        ("1 d", "24.5"),
        ("3 d", "22.5"),
        ("all", "21.5"),
    ]


def test_a_model_that_ran_under_another_protocol_alone_is_told_what_to_give(tmp_path, capsys):
    write([stream_record("plus")], tmp_path)
    options = ["--dataset", "D", "--settings", "LSTM+", "--results", tmp_path]
    assert "with --before DATE" in refusal(table_command.main, options, capsys)
