"""Every config file loads without data and names settings that its model has; every model is built at every size."""

from pathlib import Path

import numpy as np
import pytest

from stlora_ext.config.config_file import load_experiment
from stlora_ext.data.catalog import CATALOG
from stlora_ext.data.prepared import Meta, split_windows
from stlora_ext.runs.build import build_model, model_config, settled
from tests.support.commands import ROOT
from tests.support.small import OURS

CONFIGS = sorted((ROOT / "experiments").glob("*/*.py"))
SIZES = {entry.num_nodes: name for name, entry in reversed(CATALOG.items())}  # the first data set of each size


def official_meta(name):
    entry = CATALOG[name]
    windows = split_windows(entry.num_steps, 12, 12, entry.train_ratio, entry.test_ratio)
    return Meta(
        name,
        entry.num_steps,
        entry.num_nodes,
        entry.interval,
        1440 // entry.interval,
        entry.start,
        entry.null_val,
        12,
        12,
        windows,
        [],
        True,
        "sha256:0",
    )


def test_there_is_a_config_for_every_data_set_and_backbone():
    expected = {
        ROOT / "experiments" / dataset / f"{model}.py"
        for dataset in CATALOG
        for backbone in OURS
        for model in (backbone, f"{backbone}_LoRA")
    }
    assert expected <= set(CONFIGS)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_config_says_what_its_path_says_and_its_model_has_its_settings(path: Path, tmp_path):
    exp = load_experiment(path)
    assert (exp.dataset, exp.model) == (path.parent.name, path.stem.replace("_LoRA", "+"))
    assert len(path.read_text().splitlines()) <= 12
    meta = official_meta(exp.dataset)
    assert model_config(settled(exp, meta, tmp_path), meta, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("dataset", SIZES.values())
@pytest.mark.parametrize("backbone", OURS)
def test_a_model_and_its_adapter_are_built_at_every_official_size(backbone, dataset, tmp_path):
    meta = official_meta(dataset)
    (tmp_path / dataset).mkdir()
    np.savez(
        tmp_path / dataset / "graph.npz",
        num_nodes=meta.num_nodes,
        source=np.arange(meta.num_nodes - 1),
        target=np.arange(1, meta.num_nodes),
        weight=np.ones(meta.num_nodes - 1),
    )
    model = build_model(load_experiment(ROOT / "experiments" / dataset / f"{backbone}_LoRA.py"), meta, tmp_path)
    assert model.num_nodes == meta.num_nodes
