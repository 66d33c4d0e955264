"""Settings of a stream's updates: chosen by the periods before a date, judged by those from it on."""

import csv
import io

import pytest

from experiments import table as table_command
from stlora_ext.tables import markdown
from stlora_ext.tables.stream_settings import stream_settings_tables
from tests.support.commands import refusal
from tests.support.stream_records import stream_record
from tests.support.table_records import record, rows, write

DATE = "2024-01-10"  # periods begin at noon from 2024-01-03 on: seven before it


def searched():
    """Return records whose later errors have the opposite order of their earlier ones."""
    return [
        stream_record("base", errors=[9.0] * 7 + [1.0] * 5),
        *(stream_record("plus", errors=[4.0 + s] * 7 + [3.0] * 5, counts=[1 + s] * 12, seed=s) for s in (0, 1)),
        stream_record("plus", errors=[3.0] * 7 + [4.0] * 5, lr=0.003, recency=2.0),
        stream_record("control", errors=[5.0] * 7 + [2.5] * 5),
        stream_record("finetune", errors=[2.0] * 7 + [5.0] * 5),
        stream_record("plus", "GWNet", errors=[2.0] * 12),
        record("LSTM+", arm="plus"),
    ]


def shown(records, model="LSTM+", date=DATE):
    text = markdown.render(stream_settings_tables(rows(records), model, date))
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("model", ["LSTM+", "LSTM"])
def test_the_base_comes_first_then_the_smallest_error_before_the_date(model):
    head, _, *lines = shown(searched(), model)
    assert head == ["Updated", "Parameters", "Seeds", f"MAE before {DATE}", "MAE from then on", "s per update"]
    assert lines == [
        ["base", "0", "1", "9.000", "1.000", "–"],
        ["finetune", "100", "1", "2.000", "5.000", "0.25"],
        ["plus, lr 0.003, recency 2", "500", "1", "3.000", "4.000", "0.25"],
        ["plus", "500", "1", "4.000", "3.000", "0.25"],
        ["control", "500", "1", "5.000", "2.500", "0.25"],
    ]


def test_settings_are_compared_over_the_seeds_that_all_ran_under():
    def text(records):
        return markdown.render(stream_settings_tables(rows(records), "LSTM+", DATE))

    assert "Over seed 0, under which all rows ran." in text(searched())
    whole = [stream_record(arm, errors=[1.0 + seed] * 12, seed=seed) for arm in ("base", "plus") for seed in (0, 1)]
    assert "Over seed" not in text(whole) and "1.500 ± 0.707" in text(whole)
    assert "no seed under which all rows ran" in text(
        [record for record in whole if (record["key"]["arm"] == "plus") == record["key"]["seed"]]
    )


def test_a_score_is_pooled_over_its_targets_and_a_period_belongs_to_the_part_in_which_it_begins():
    made = stream_record("plus", errors=[1.0, 2.0, 4.0], counts=[10, 30, 60])
    for date, before, after in [
        ("2024-01-04T12:00", "1.000", "3.333"),
        ("2024-01-04T12:01", "1.750", "4.000"),
        ("2024-01-05", "1.750", "4.000"),
    ]:
        assert shown([made], date=date)[2][3:5] == [before, after]


def test_settings_of_the_adapter_are_named_where_they_differ():
    narrow, wide = (stream_record("plus", errors=[r] * 9, config_hash=f"r{r}") for r in (1.0, 2.0))
    for made, rank in ((narrow, 1), (wide, 2)):
        made["configuration"]["adapter"]["rank"] = rank
    assert [line[0] for line in shown([narrow, wide])[2:]] == ["plus, rank 1", "plus, rank 2"]


def test_the_command_prints_it_and_every_number_as_csv(tmp_path, capsys):
    write(searched(), tmp_path)
    asked = ["--dataset", "D", "--settings", "LSTM+", "--before", DATE, "--results", str(tmp_path)]
    table_command.main(asked)
    assert "**LSTM, stream**" in capsys.readouterr().out
    table_command.main([*asked, "--format", "csv"])
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    best = next(line for line in lines if line["settings"] == "plus, lr 0.003, recency 2")
    assert (best["arm"], best["before_mae"], best["after_mae"], best["seeds"]) == ("plus", "3.0", "4.0", "1")


def test_what_it_refuses(tmp_path, capsys):
    write(searched(), tmp_path)

    def line(*arguments):
        return refusal(table_command.main, [*arguments, "--results", tmp_path], capsys)

    settings = ("--dataset", "D", "--settings", "LSTM+", "--before")
    for date in ("July", "2024-13-01", "", "2024-01-10T00:00+01:00"):
        assert f"--before '{date}': expected a date of the test such as" in line(*settings, date)
    for date in ("2024-01-03", "2024-02-01"):
        told = line(*settings, date)
        assert f"--before {date}: expected a time after 2024-01-03 12:00:00 and up to 2024-01-14 12:00:00" in told
    assert "--before 2024-01-10: only" in line("--dataset", "D", "--before", DATE)
    assert "--before 2024-01-10: only" in line("--dataset", "D", "--gains", "--before", DATE)
    of_other = line("--dataset", "D", "--settings", "lstm", "--before", DATE)
    assert "--settings lstm: no records of it of protocol stream" in of_other and "did you mean 'LSTM'?" in of_other
    write([stream_record("plus", "GWNet", dataset="E")], tmp_path)
    assert "sort them by their error before a date of the test" in line("--dataset", "E", "--settings", "GWNet+")
