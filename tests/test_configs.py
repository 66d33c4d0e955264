"""Every config file loads without data and builds its model at the official size."""

from pathlib import Path

import pytest

from experiments.config_file import load_experiment
from experiments.models import backbones
from stlora_ext.data.catalog import CATALOG
from stlora_ext.data.prepared import Meta, split_windows
from stlora_ext.experiment import model_config
from tests.commands import ROOT

CONFIGS = sorted((ROOT / "experiments").glob("*/*.py"))


def official_meta(name):
    entry = CATALOG[name]
    windows = split_windows(entry.num_steps, 12, 12, entry.train_ratio)
    return Meta(name, entry.num_steps, entry.num_nodes, entry.interval, 1440 // entry.interval, entry.start,
                entry.null_val, 12, 12, windows, [], True, "sha256:0")


def test_there_is_a_config_for_every_data_set_and_backbone():
    expected = {ROOT / "experiments" / dataset / f"{model}.py" for dataset in CATALOG for model in backbones()}
    assert expected <= set(CONFIGS)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_config_says_what_its_path_says_and_builds_its_model(path: Path):
    exp = load_experiment(path)
    assert (exp.dataset, exp.model) == (path.parent.name, path.stem)
    assert len(path.read_text().splitlines()) <= 12
    exp.backbone.arch(model_config(exp, official_meta(exp.dataset)))
