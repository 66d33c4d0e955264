"""experiments/table.py: every data set, what is missing, published scores, what it refuses."""

import csv
import io
import re
import shlex

import pytest

from experiments import run as run_command
from experiments import table as table_command
from stlora_ext.tables import groups
from stlora_ext.tables.published import read_printed
from tests.support.commands import SHARED, refusal
from tests.support.table_records import record, seeds, write


def printed(capsys, *arguments):
    """Return what the command prints."""
    table_command.main([str(argument) for argument in arguments])
    return capsys.readouterr().out


def lstm(dataset, **settings):
    return [
        *seeds([20.0, 21.0, 22.0], dataset=dataset, **settings),
        *seeds([19.0, 20.5], model="LSTM+", arm="plus", dataset=dataset, **settings),
    ]


def test_without_a_name_every_data_set_is_printed(tmp_path, capsys):
    results = write([*lstm("TINY"), *lstm("CITY")], tmp_path)
    write(lstm("TINY"), tmp_path / "published")
    (tmp_path / "demo" / "OTHER" / "LSTM").mkdir(parents=True)
    text = printed(capsys, "--results", results)
    assert re.findall(r"^\*\*(\w+)\*\*, test set", text, re.MULTILINE) == ["CITY", "TINY"]


def test_two_versions_of_the_data_are_two_tables(tmp_path, capsys):
    """Same keys but for the seed, another fingerprint: no cell holds both."""
    results = write(
        [record(dataset="TINY", seed=s, mae=20.0 + 9 * s, fingerprint=f"sha256:{s}") for s in range(2)], tmp_path
    )
    text = printed(capsys, "--results", results)
    assert text.count("(one of 2 versions of TINY, never mixed)") == 2
    assert "| 20.00 |" in text and "| 29.00 |" in text and "24.50" not in text
    rows = list(csv.DictReader(io.StringIO(printed(capsys, "--results", results, "--format", "csv"))))
    assert {(r["fingerprint"], r["n"]) for r in rows} == {("sha256:0", "1"), ("sha256:1", "1")}


def test_the_short_table_is_the_average_mae_alone(tmp_path, capsys):
    text = printed(capsys, "--dataset", "TINY", "--short", "--results", write(lstm("TINY"), tmp_path))
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert rows == [
        "| Model | Seeds | average MAE |",
        "| --- | --- | ---: |",
        "| LSTM | 3 | 21.00 ± 1.00 |",
        "| LSTM+ | 2 | **19.75 ± 1.06** |",
        "| Δ LSTM+ | 2 | -0.75 ± 0.35 |",
    ]
    assert "Missing" not in text


def test_short_gains_show_each_backbone_under_its_own_protocol(tmp_path, capsys):
    runs = [
        *lstm("TINY"),
        *seeds([19.4, 20.7], model="LSTM+", arm="control", dataset="TINY"),
        record("HA", None, protocol="fitted", fitted=True, dataset="TINY", mae=30.0),
        *seeds([25.0, 25.2], model="HA+", arm="plus", protocol="adapt", fitted=True, dataset="TINY"),
    ]
    text = printed(capsys, "--dataset", "TINY", "--gains", "--short", "--results", write(runs, tmp_path))
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    assert rows[0] == ["Model", "Epochs at most", "MAE alone", '"+"', '"+" minus control', '"+" adds, %']
    found = {row[0]: row[3:5] for row in rows[2:]}
    assert found["HA (fitted)"][0].strip("*").startswith("-4.90") and found["HA (fitted)"][1] == "–"
    assert found["LSTM"][0].startswith("-0.75") and found["LSTM"][1].startswith("-0.30")


@pytest.mark.parametrize("form", ["markdown", "latex", "csv", "html"])
def test_a_copy_of_the_records_in_another_order_makes_the_same_bytes(tmp_path, capsys, form):
    records = [*lstm("TINY"), record("HA", None, protocol="fitted", fitted=True, dataset="TINY")]
    texts = []
    for number, each in enumerate((records, records[::-1])):
        results = write(each, tmp_path / str(number))
        # The commands name the folder, which isn't the records'.
        texts.append(printed(capsys, "--results", results, "--format", form).replace(str(results), "DIR"))
    assert texts[0] == texts[1]


def test_the_commands_of_missing_cells_fill_them(tiny_data, tmp_path, capsys, monkeypatch):
    """Run what the table says, with other settings than the config's, until nothing is missing."""
    results, place = tmp_path / "results", ["--data", str(tiny_data)]

    def call(*arguments):
        run_command.main([*arguments, *place])
        capsys.readouterr()

    small = ["--epochs", "1", "--batch-size", "128", "--set", "model.hidden_size=8"]
    call("-c", "experiments/TINY/LSTM.py", "--seeds", "0", "1", *small, "--results", str(results))
    call("-c", "experiments/TINY/LSTM_LoRA.py", "--seeds", "0", *small, "--results", str(results))
    call("-c", "experiments/TINY/LSTM_LoRA.py", "--seeds", "2", *small, "--arm", "control", "--results", str(results))
    text = printed(capsys, "--results", results)
    commands = re.findall(r"^- (.*?): `(.*)`$", text, re.MULTILINE)
    assert [title for title, _ in commands] == [
        "LSTM+, joint, plus: seed 1",
        "LSTM, joint, base: seed 2",
        "LSTM+, joint, control: seeds 0 1",
    ]
    for _, command in commands:
        python, script, *arguments = shlex.split(command)
        assert (python, script) == ("python", "experiments/run.py")
        call(*arguments)
    text = printed(capsys, "--results", results)
    missing = re.findall(r"^- (.*?): `(.*)`$", text, re.MULTILINE)
    assert [title for title, _ in missing] == ["LSTM+, joint, plus: seed 2"], "the new base seed wants its plus"
    call(*shlex.split(missing[0][1])[2:])
    text = printed(capsys, "--results", results)
    assert "Missing" not in text and not re.search(r"LSTM\+? [(\[][0-9a-f]{8}", text), "and one configuration each"


def test_a_missing_base_or_plus_follows_the_other_ones_settings(tmp_path, capsys):
    records = lstm("PEMS08", lr=0.01)
    base = write(records[:3], tmp_path / "base")
    plus = write(records[3:], tmp_path / "plus")
    for results, config, missed in ((base, "LSTM_LoRA", "0 1 2"), (plus, "LSTM", "0 1")):
        text = printed(capsys, "--results", results)
        (command,) = re.findall(r"^- .*: `(.*)`$", text, re.MULTILINE)
        assert f"experiments/PEMS08/{config}.py --epochs 5 --set " in command and " lr=0.01 " in command
        assert f" --seeds {missed} --results {results}" in command and "adapter_lr" not in command
    unknown = write(seeds([1.0], dataset="MINE", model="NEWER"), tmp_path / "unknown")
    assert "no command is known (record" in printed(capsys, "--results", unknown)


def test_an_adapted_run_names_its_backbone(tmp_path, capsys):
    bases = seeds([20.0, 21.0], dataset="TINY", config_hash="bbbbbbbb")
    plus = [record("LSTM+", 0, 19.0, dataset="TINY", protocol="adapt", arm="plus", backbone=bases[0]["key"])]
    assert "LSTM_LoRA.py --epochs 5" in (text := printed(capsys, "--results", write([*bases, *plus], tmp_path / "a")))
    assert "--protocol adapt --train-backbone --seeds 1" in text
    plus[0]["configuration"]["training"]["num_epochs"] = 50
    text = printed(capsys, "--results", write([*bases, *plus], tmp_path / "b"))
    assert f"--from '{tmp_path}/b/TINY/LSTM/joint-base-bbbbbbbb-seed{{seed}}/model.pt'" in text
    text = printed(capsys, "--results", write(plus, tmp_path / "c"))
    assert "(the backbone's run is TINY/LSTM/joint-base-bbbbbbbb-seed0: put its record here)" in text


def test_published_scores_stand_beside_ours_and_deviations_are_flagged(tmp_path, capsys):
    """The poster prints LSTM's average MAE 27.14 ± 0.69: 28 is 3.2 % away, 29 is 6.9 %; LSTM+ 22.18."""
    records = [
        *seeds([28.0, 28.0], dataset="PEMS04", num_nodes=307),
        *seeds([22.0, 23.0], model="LSTM+", arm="plus", dataset="PEMS04", num_nodes=307),
        *seeds([9.0, 9.0], model="LSTM+", arm="control", dataset="PEMS04", num_nodes=307),
    ]
    text = printed(capsys, "--compare", "--results", write(records, tmp_path / "near"))

    def average(text, name):
        return next(line.split(" | ")[2] for line in text.splitlines() if line.startswith(f"| {name} |"))

    assert average(text, "LSTM, poster") == "27.14 ± 0.69‡" and "‡ ± as printed" in text
    assert average(text, "LSTM, ours") == "28.00"
    assert average(text, "LSTM against poster, %") == "+3.2"
    assert average(text, "LSTM against Torch-MTS, %") == "**+9.2 !**"
    assert average(text, "LSTM+ against poster, %") == "+1.4"
    assert average(text, "Δ LSTM+, poster") == "-4.96 ± 0.30‡"
    assert "control) against" not in text and "more than 5 % either way" in text
    assert "Source poster: ST-LoRA's printed result table" in text and "LSTM against Torch-MTS" in text
    records[0]["test"]["average"]["MAE"] = 30.0
    text = printed(capsys, "--compare", "--results", write(records, tmp_path / "far"))
    assert average(text, "LSTM against poster, %") == "**+6.9 !**"
    assert "poster" not in printed(capsys, "--results", tmp_path / "far")
    rows = list(
        csv.DictReader(io.StringIO(printed(capsys, "--compare", "--results", tmp_path / "far", "--format", "csv")))
    )
    found = [
        r
        for r in rows
        if (r["protocol"], r["model"], r["horizon"], r["metric"]) == ("published", "STAE+", "average", "RMSE")
    ]
    assert [(r["mean"], r["std"], r["n"]) for r in found] == [("30.22", "0.92", "")]


def test_published_scores_of_another_data_set_are_never_beside_ours(tmp_path, capsys):
    write([*lstm("PEMS08-TAIL"), *lstm("TINY"), *lstm("PEMS04", num_nodes=30)], tmp_path)
    text = printed(capsys, "--compare", "--results", tmp_path)
    assert "No published scores of PEMS08-TAIL are shipped" in text and "against published" not in text
    assert "16992 rows and 30 nodes, the official PEMS04 has 16992 and 307" in text
    rows = csv.DictReader(io.StringIO(printed(capsys, "--compare", "--results", tmp_path, "--format", "csv")))
    assert not [r for r in rows if r["protocol"] == "published"]


def test_the_shipped_scores_are_those_of_the_sources():
    sources = {("poster", "poster_table.csv"), ("", "published_results.csv")}
    if not all((SHARED / "reference" / name).exists() for _, name in sources):
        pytest.skip(f"{SHARED / 'reference'} is absent")
    names = ("PEMS03", "PEMS04", "PEMS07", "PEMS08", "METR-LA", "PEMS-BAY")
    shipped = {name: read_printed(groups.PRINTED, name) for name in names}
    count = 0
    for poster, name in sources:
        with open(SHARED / "reference" / name, encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                dataset = "PEMS04" if poster else line["dataset"]
                model = {"STAEformer": "STAE"}.get(line["model"], line["model"])
                key = (None if line["horizon"] == "avg" else int(line["horizon"]), line["metric"])
                expected = (float(line["mean"]), float(line["std"])) if poster else (float(line["value"]), None)
                assert any(
                    each.scores.get(key) == expected
                    for each in shipped[dataset]
                    if each.model == model and (each.label == "poster" if poster else each.source == line["source"])
                ), line
                count += 1
    assert sum(len(each.scores) for found in shipped.values() for each in found) == count


def test_what_it_refuses(tmp_path, capsys):
    def line(*arguments):
        return refusal(table_command.main, arguments, capsys)

    assert "no records under" in line("--results", tmp_path)
    write(lstm("TINY"), tmp_path / "published")
    assert f"published ones: --results {tmp_path / 'published'}" in line("--results", tmp_path)
    assert "invalid choice: 'xml'" in line("--format", "xml")
    assert "--settings LSTM+: name the data set" in line("--settings", "LSTM+", "--results", tmp_path)
    assert "--short: only for the tables of data sets" in line("--benchmark", "x.json", "--short")
    assert "--short shows the average MAE alone" in line("--dataset", "TINY", "--short", "--compare")
    assert "--compare: only for the tables of data sets" in line("--benchmark", "x.json", "--compare")
    assert "--format html: --update" in line("--update", "README.md", "--format", "html")
    assert "--settings LSTM+: only" in line("--update", "README.md", "--settings", "LSTM+")
    (tmp_path / "CITY").symlink_to(tmp_path / "published" / "TINY")
    assert "CITY holds records of TINY: move them" in line("--dataset", "CITY", "--results", tmp_path)
