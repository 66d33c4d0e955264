"""The backbones dropped into BasicTS 1.1.0 as it is published train there, by its own runner, without this project."""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import basicts
import pytest

from tests.support.commands import ROOT
from tests.support.small import SMALL

NEURAL = ("LSTM", "STGCN", "GWNet", "AGCRN", "STAE", "D2STGNN")
SCRIPT = """
import importlib, json, sys
from dataclasses import fields
from basicts import BasicTSLauncher
from basicts.configs import BasicTSForecastingConfig

for name, settings in json.loads(sys.argv[1]).items():
    package = importlib.import_module(f"basicts.models.{name}")
    config = getattr(package, f"{name}Config")
    offered = {"num_nodes": 12, "steps_per_day": 288, "graph_path": sys.argv[2] + "/graph.npz"}
    taken = {field.name for field in fields(config)}
    model_config = config(**{key: value for key, value in offered.items() if key in taken}, **settings)
    BasicTSLauncher.launch_training(
        BasicTSForecastingConfig(
            model=getattr(package, name),
            model_config=model_config,
            dataset_name="TINY",
            dataset_params={
                "dataset_name": "TINY",
                "data_file_path": sys.argv[2],
                "input_len": 12,
                "output_len": 12,
                "use_timestamps": True,
                "memmap": False,
            },
            null_val=0.0,
            batch_size=256,
            num_epochs=1,
            seed=0,
        )
    )
ours = [name for name in sys.modules if name.split(".")[0] in ("stlora_ext", "baselines")]
assert not ours, ours
"""


@pytest.fixture(scope="module")
def stock(tmp_path_factory, tiny_data) -> Path:
    """The folder of a copy of BasicTS with the backbones and their shared modules in it, after their training."""
    folder = tmp_path_factory.mktemp("stock")
    source = Path(basicts.__file__).parent
    shutil.copytree(source, folder / "basicts", ignore=shutil.ignore_patterns("__pycache__"))
    for path in (ROOT / "baselines").glob("*.py"):
        if path.name != "__init__.py":
            shutil.copy(path, folder / "basicts" / "models")
    for name in NEURAL:
        shutil.copytree(ROOT / "baselines" / name, folder / "basicts" / "models" / name)
    settings = json.dumps({name: SMALL[name] for name in NEURAL})
    subprocess.run(
        [sys.executable, "-c", SCRIPT, settings, str(tiny_data / "TINY")],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        check=True,
        timeout=300,
        stdout=subprocess.DEVNULL,
    )
    return folder


@pytest.mark.parametrize("name", NEURAL)
def test_a_backbone_trains_in_stock_basicts_with_a_graph_file(name, stock):
    (metrics,) = (stock / "checkpoints" / name).rglob("test_metrics.json")
    assert math.isfinite(json.loads(metrics.read_text())["overall"]["MAE"])
