"""The parameter report: its counts are those of the model, and the command's table needs no data."""

import csv
import io

import pytest

from experiments import parameters
from stlora_ext.lora.parameters import module_counts, parameter_report
from stlora_ext.runs.build import build_model
from tests.support.small import NODES, OURS, data_folder, meta, small_experiment


@pytest.mark.parametrize("name", [*OURS, *(f"{name}+" for name in OURS)])
def test_the_modules_add_up_to_the_counted_parameters(name):
    model = build_model(small_experiment(name), meta(), data_folder(NODES))
    report = parameter_report(model)
    assert sum(report["modules"]["backbone"].values()) == report["backbone"]
    assert sum(report["modules"].get("adapter", {}).values()) == report["adapter"]
    assert report["backbone"] + report["adapter"] == sum(p.numel() for p in model.parameters())
    named = {name for name, _ in [*model.named_children(), *model.named_parameters()]}
    assert set(module_counts(model)) <= named


def printed(capsys, *arguments):
    parameters.main(arguments)
    return capsys.readouterr().out


def test_every_trained_backbone_stands_beside_the_papers_claim_on_every_benchmark_data_set(capsys):
    rows = list(csv.DictReader(io.StringIO(printed(capsys, "--format", "csv"))))
    trained = [name for name in OURS if name not in ("HA", "HA-week", "VAR", "SVR")]
    assert [(row["data set"], row["model"]) for row in rows] == [
        (name, f"{model}+") for name in parameters.BENCHMARKS for model in trained
    ]
    for row in rows:
        percent = 100 * int(row["adapter"]) / int(row["backbone"])
        assert row["adapter %"] == f"{percent:.2f}" and row["above 1 %"] == ("yes" if percent > 1 else "no")
        assert int(row["trainable"]) == int(row["backbone"]) + int(row["adapter"])


def test_the_published_sizes_at_170_nodes(capsys):
    text = printed(capsys, "--datasets", "PEMS08", "--models", "AGCRN", "LSTM", "--modules")
    assert "| PEMS08 | 170 | AGCRN+ | 747,440 | 7,308 | 754,748 | 0.98 | no |" in text
    assert "more than 1 % in 1 of 2 cases: LSTM+ on PEMS08 (7.5 %)." in text
    assert "*PEMS08, AGCRN+*" in text
    assert all(f"| backbone | {name} |" in text for name in ("node_embeddings | 1,700", "layers | 744,960"))


@pytest.mark.parametrize("form", ["markdown", "latex", "html"])
def test_every_form_shows_the_counts_and_the_verdict(capsys, form):
    text = printed(capsys, "--datasets", "PEMS08", "--models", "LSTM", "--modules", "--format", form)
    assert "LSTM+" in text and "97,868" in text and "58,368" in text and "in 1 of 1 cases" in text
    assert "caption{}" not in text and "caption{;" not in text


def test_the_modules_in_csv_add_up_to_the_counts(capsys):
    of_modules, of_models = (
        list(csv.DictReader(io.StringIO(printed(capsys, "--datasets", "PEMS08", "--format", "csv", *more))))
        for more in (["--modules"], [])
    )
    assert list(of_modules[0]) == ["data set", "nodes", "model", "part", "module", "parameters"]
    for model in of_models:
        own = [row for row in of_modules if row["model"] == model["model"]]
        for part in ("backbone", "adapter"):
            assert sum(int(row["parameters"]) for row in own if row["part"] == part) == int(model[part])
