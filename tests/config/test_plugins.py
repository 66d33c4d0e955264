"""A plug-in file brings models of the user's to every command, and to the processes that a command starts."""

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from experiments import evaluate, models, predict, report, table, verify
from experiments import run as run_command
from stlora_ext.config import plugins, registry
from stlora_ext.data.available import open_dataset
from stlora_ext.data.prepared import load_split
from stlora_ext.options import PLUGINS
from stlora_ext.sweep.ray_worker import Worker
from tests.support.commands import ROOT, refusal, run, succeeded

PLUGIN = """from stlora_ext import TrainingSettings, register

register("Mine", "my_module:Mine", "my_module:MineConfig", TrainingSettings(lr=2e-3, num_epochs=1, batch_size=512))
"""
MODULE = """from dataclasses import dataclass

import torch
from basicts.configs import BasicTSModelConfig


@dataclass
class MineConfig(BasicTSModelConfig):
    input_len: int = 12
    output_len: int = 12


class Mine(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.linear = torch.nn.Linear(config.input_len, config.output_len)

    def forward(self, inputs):
        return self.linear(inputs.transpose(1, 2)).transpose(1, 2)
"""


@pytest.fixture
def fresh(monkeypatch):
    """Leave the registry, the modules and the environment as they were."""
    monkeypatch.setattr(registry, "_BACKBONES", dict(registry._BACKBONES))
    monkeypatch.setattr(plugins, "_loaded", set())
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv(PLUGINS, "")
    for name in ("my_models", "my_module"):
        monkeypatch.setitem(sys.modules, name, None)  # so that it is put back
        del sys.modules[name]


@pytest.fixture
def plugin(fresh, tmp_path) -> Path:
    """A plug-in file that names a class in a module beside it."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "my_module.py").write_text(MODULE)
    (folder / "my_models.py").write_text(PLUGIN)
    return folder / "my_models.py"


def test_a_model_of_a_plug_in_file_reaches_every_command(plugin, tiny_data, tmp_path, capsys):
    results, more = tmp_path / "results", ["--plugins", str(plugin)]
    places = [*more, "--data", str(tiny_data)]
    asked = ["--datasets", "TINY", "--models", "Mine", "Mine+", "--seeds", 0, "--results", results]
    swept = succeeded(run("experiments/sweep.py", *asked, *places))
    assert "2 runs done" in swept
    run_command.main(["--dataset", "TINY", "--model", "Mine+", "--seeds", "0", "--results", str(results), *places])
    assert "already finished, not repeated" in capsys.readouterr().out
    (record,) = (results / "TINY" / "Mine+").glob("*.json")

    evaluate.main([str(record), *places])
    assert "the record says the same, to the bit" in capsys.readouterr().out
    verify.main([str(record), *places])
    assert "confirmed" in capsys.readouterr().out
    table.main(["--dataset", "TINY", "--short", "--results", str(results), *more])
    assert "Mine+" in capsys.readouterr().out
    models.main(["--models", "Mine", *more])
    assert "| Mine |" in capsys.readouterr().out
    page = tmp_path / "report.html"
    report.main(["--dataset", "TINY", "--results", str(results), "--out", str(page), *places])
    assert "Mine+" in page.read_text()

    meta = open_dataset("TINY", tiny_data)
    values, _ = load_split(tiny_data, meta, "test")
    times = pd.date_range("2024-01-06", periods=12, freq="5min")
    pd.DataFrame(values[:12], times, meta.sensor_ids).to_csv(tmp_path / "recent.csv")
    predict.main([str(record), "--input", str(tmp_path / "recent.csv"), "--output", str(tmp_path / "out.csv"), *places])
    assert len(pd.read_csv(tmp_path / "out.csv")) == 12


def test_the_environment_variable_names_the_file_as_the_option_does(plugin, tmp_path):
    place = {"env": {**os.environ, PLUGINS: str(plugin)}}
    listed = succeeded(run("experiments/models.py", "--names", "--models", "Mine", **place))
    assert listed == "Mine, Mine+: my_module.Mine\n"


def test_a_class_that_is_named_is_imported_when_its_model_is_asked_for(plugin, monkeypatch):
    monkeypatch.setenv(PLUGINS, str(plugin))
    assert "Mine" in registry.backbones() and "my_module" not in sys.modules
    assert registry.get_backbone("Mine+").arch.__name__ == "Mine" and "my_module" in sys.modules


def test_the_command_that_repeats_a_run_names_the_plug_in_file(plugin, tiny_data, tmp_path, monkeypatch):
    from stlora_ext.config.experiment import experiment
    from stlora_ext.runs.rerun import repeat_command

    monkeypatch.setenv(PLUGINS, str(plugin))
    exp = experiment("TINY", "Mine")
    command = shlex.split(repeat_command(exp, exp, None, 3, extra=["--data", str(tiny_data), "--dry-run"]))
    monkeypatch.delenv(PLUGINS)
    assert "TINY / Mine" in succeeded(run(*command[1:]))
    assert "--plugins" not in repeat_command(experiment("TINY", "LSTM"), experiment("TINY", "LSTM"), None, 3)


def test_a_node_of_a_cluster_gets_the_file_and_the_modules_beside_it(plugin, tiny_data, tmp_path, monkeypatch):
    """The worker itself, without Ray: the driver's folder is gone when it starts."""
    monkeypatch.setenv(PLUGINS, str(plugin))
    monkeypatch.chdir(ROOT)
    backbone, meta = registry.get_backbone("Mine"), open_dataset("TINY", tiny_data)
    sources = plugins.plugin_sources()
    assert list(sources) == ["my_models.py", "my_module.py"] and backbone.name == "Mine"
    from stlora_ext.config.experiment import experiment
    from stlora_ext.sweep.plan import jobs_of

    exp = experiment("TINY", "Mine", seeds=[0])
    (job,) = jobs_of(exp, exp, None, meta)
    shutil.rmtree(plugin.parent)
    data = {path.name: path.read_bytes() for path in (tiny_data / "TINY").iterdir()}
    worker = Worker()
    report = worker.start(job, [], 1, {}, data, tmp_path / "results", tiny_data, None, sources)
    while report.code is None:
        report = worker.report()
    assert (report.code, report.reason) == (0, "") and report.record is not None


def test_a_config_file_may_register_a_model_for_run_py(plugin, tiny_data, tmp_path, capsys):
    (plugin.parent / "my_module.py").rename(tmp_path / "beside.py")
    config = tmp_path / "mine.py"
    config.write_text(
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nfrom beside import Mine, MineConfig\n"
        "from experiments.defaults import experiment\nfrom stlora_ext import register\n"
        'register("Mine", Mine, MineConfig)\n'
        'CFG = experiment("TINY", "Mine+", num_epochs=1, batch_size=512, seeds=[0])\n'
    )
    for arm in ("plus", "base"):
        run_command.main(["-c", str(config), "--arm", arm, "--data", str(tiny_data), "--results", str(tmp_path / "r")])
        assert f"TINY/Mine{'+' * (arm == 'plus')} seed 0: finished" in capsys.readouterr().out
    del sys.modules["beside"]


BROKEN = {
    "a syntax error": ("register(", r"my_models\.py, line 1: SyntaxError"),
    "an exception": ("\n1 / 0\n", r"my_models\.py, line 2: ZeroDivisionError: division by zero"),
    "an exit": ("import sys; sys.exit(3)", r"ended by itself \(exit code 3\): expected register\("),
    "a wrong argument": (
        'from stlora_ext import register; register("X", "a:B", "a:C", sise=3)',
        r"my_models\.py, line 1: TypeError: .*'sise'",
    ),
    "a name with a plus": ('from stlora_ext import register; register("X+", "a:B", "a:C")', r"without .* '\+'"),
    "a name with a slash": (
        'from stlora_ext import register; register("a/b", "a:B", "a:C")',
        r"register\('a/b'\): expected a name that a folder can have, without '/'",
    ),
}


@pytest.mark.parametrize(("text", "expected"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plug_in_file_is_refused_in_one_line(text, expected, plugin, capsys):
    plugin.write_text(text)
    message = refusal(models.main, ["--names", "--plugins", plugin], capsys)
    assert message.startswith(f"plug-in file {plugin}")
    assert re.search(expected, message), message


WRONG = {
    "a config that is no dataclass": (
        'register("Wrong", "my_module:Mine", "my_module:Mine")',
        "register('Wrong'): config='my_module:Mine': expected a dataclass",
    ),
    "training as a dictionary": (
        'register("Wrong", "my_module:Mine", "my_module:MineConfig", {"lr": 1.0})',
        "register('Wrong'): training={'lr': 1.0}: expected TrainingSettings",
    ),
    "a setting that the config lacks": (
        'register("Wrong", "my_module:Mine", "my_module:MineConfig", settings={"input_lem": 3})',
        "register('Wrong'): unknown key 'settings.input_lem': did you mean 'input_len'?",
    ),
    "settings that are a list": (
        'register("Wrong", "my_module:Mine", "my_module:MineConfig", settings=["input_len"])',
        "register('Wrong'): settings=['input_len']: expected a dictionary",
    ),
    "callbacks that are one name": (
        'register("Wrong", "my_module:Mine", "my_module:MineConfig", callbacks="my_module:Mine")',
        "register('Wrong'): callbacks='my_module:Mine': expected a list, such as [\"package.module:Class\"]",
    ),
    "of_lengths that names what the config lacks": (
        'register("Wrong", "my_module:Mine", "my_module:MineConfig", of_lengths=lambda i, o: {"input_lem": i})',
        "register('Wrong'): of_lengths gives 'input_lem': did you mean 'input_len'?",
    ),
    "a least of what no data set has": (
        'register("Wrong", "my_module:Mine", "my_module:MineConfig", least={"nodes": 2})',
        "register('Wrong'): least={'nodes': 2}: expected a dictionary of input_len, num_nodes, output_len",
    ),
    "a callback that is none": (
        'register("Wrong", "my_module:Mine", "my_module:MineConfig", callbacks=["my_module:Mine"])',
        "register('Wrong'): callbacks='my_module:Mine': expected a class derived from",
    ),
}


@pytest.mark.parametrize(("text", "expected"), WRONG.values(), ids=WRONG)
def test_a_registration_that_is_wrong_is_refused_by_name_and_hides_no_other(text, expected, plugin, capsys, tiny_data):
    plugin.write_text(f"{PLUGIN}{text}\n")
    arguments = ["--plugins", plugin, "--dataset", "TINY", "--model", "Wrong", "--data", tiny_data, "--dry-run"]
    assert refusal(run_command.main, arguments, capsys).startswith(expected)
    models.main(["--models", "Wrong", "Mine"])
    listed = capsys.readouterr().out
    assert "| Mine |" in listed and f"Wrong can't be built here: {expected}" in listed


def test_a_config_that_fails_is_refused_in_a_line(plugin, capsys, tiny_data):
    plugin.write_text(
        f'{PLUGIN}register("Twice", "my_module:Mine", "my_module:MineConfig", settings={{"input_len": 3}})'
    )
    arguments = ["--plugins", plugin, "--dataset", "TINY", "--model", "Twice", "--data", tiny_data]
    line = refusal(run_command.main, arguments, capsys)
    assert line.startswith("TINY/Twice can't be built with these settings (TypeError: ") and "'input_len'" in line


def test_a_model_whose_own_code_fails_hides_no_other(plugin, capsys):
    plugin.write_text(
        f'{PLUGIN}register("Few", "my_module:Mine", "my_module:MineConfig", of_lengths=lambda steps: {{}})'
    )
    models.main(["--models", "Few", "Mine", "--plugins", str(plugin)])
    listed = capsys.readouterr().out
    assert "| Mine |" in listed and "Few can't be built here: register('Few'): of_lengths(12, 12) fails" in listed


@pytest.mark.filterwarnings("ignore:backbone 'LSTM'")
def test_the_command_that_repeats_a_run_of_a_replaced_model_names_the_plug_in_file(plugin, monkeypatch):
    from stlora_ext.config.experiment import experiment
    from stlora_ext.runs.rerun import repeat_command

    plugin.write_text(PLUGIN.replace('"Mine"', '"LSTM"', 1))
    monkeypatch.setenv(PLUGINS, str(plugin))
    replaced, shipped = experiment("TINY", "LSTM"), experiment("TINY", "AGCRN")
    assert f"--plugins {plugin}" in repeat_command(replaced, replaced, None, 3)
    assert "--plugins" not in repeat_command(shipped, shipped, None, 3)
    registry.register("AGCRN", shipped.backbone.arch, shipped.backbone.config, shipped.backbone.training)
    assert registry.plugged_in("AGCRN")  # the same class, but without what its tests cover


@pytest.mark.parametrize(
    ("arch", "expected"),
    [
        ("no_module:Mine", "there is no module no_module; put its file beside the plug-in file"),
        ("my_module:Yours", "the module my_module has no Yours"),
        ("my_module", 'expected "package.module:Class"'),
        ("needs_more:Mine", "needs the package not_a_package_at_all, which isn't installed"),
        ("fails:Mine", "the module fails can't be imported (ValueError: no)"),
    ],
)
def test_a_class_that_cannot_be_imported_is_refused_in_one_line(arch, expected, plugin, capsys, tiny_data):
    plugin.write_text(PLUGIN.replace("my_module:Mine", arch, 1))
    (plugin.parent / "needs_more.py").write_text("import not_a_package_at_all\n")
    (plugin.parent / "fails.py").write_text("raise ValueError('no')\n")
    arguments = ["--dataset", "TINY", "--model", "Mine", "--plugins", plugin, "--data", tiny_data]
    message = refusal(run_command.main, arguments, capsys)
    assert message.startswith("model Mine") and expected in message


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("absent.py", "does not exist"),
        ("my-models.py", "a name that Python can import"),
        ("torch.py", "there is a module torch already"),
    ],
)
def test_a_file_that_is_no_plug_in_is_refused_by_name(name, expected, plugin, capsys):
    path = plugin.parent / name
    if name != "absent.py":
        path.write_text(PLUGIN)
    assert expected in refusal(models.main, ["--names", "--plugins", path], capsys)


def test_a_folder_is_no_plug_in_file(tmp_path, capsys):
    line = refusal(models.main, ["--plugins", tmp_path], capsys)
    assert line.startswith(f"plug-in file {tmp_path} is a folder: give --plugins")
