"""Data set and model by name, in place of a config: the same run, of any prepared set and any registered model."""

import re
import shlex
import shutil
import subprocess
import sys

import pytest

from experiments import run as run_command
from experiments import screen as screen_command
from experiments import sweep as sweep_command
from stlora_ext.config.config_file import config_path, load_experiment
from stlora_ext.config.experiment import experiment
from stlora_ext.config.registry import models
from stlora_ext.data.prepared import load_meta
from stlora_ext.runs.backbone import run_key
from stlora_ext.runs.build import settled
from stlora_ext.sweep.request import make_plan
from tests.support.commands import ROOT, refusal, run, succeeded


@pytest.fixture(scope="module")
def mine(tiny_data, tmp_path_factory):
    """A folder with a prepared data set MINE, which has no config, and with TINY."""
    data = tmp_path_factory.mktemp("own") / "data"
    shutil.copytree(tiny_data, data)
    succeeded(run("datasets/prepare.py", "MINE", "--raw", tiny_data / "TINY", "--data", data))
    return data


def key(data, *arguments):
    """The key of the run that a command line of run.py asks for, under its first seed."""
    args = run_command.parser().parse_args([*map(str, arguments), "--data", str(data)])
    exp = run_command.asked_for(args)
    meta = load_meta(data, exp.dataset)
    return run_key(settled(exp, meta, data), meta, exp.run_seeds[0])


@pytest.mark.parametrize("options", [[], ["--set", "eval_batch_size=7", "--seeds", "3"]], ids=["usual", "set"])
@pytest.mark.parametrize("model", models())
def test_names_mean_the_run_of_a_config_that_holds_them_and_nothing_else(model, options, mine, tmp_path):
    config = tmp_path / "config.py"
    config.write_text(f'from experiments.defaults import experiment\nCFG = experiment("MINE", "{model}")\n')
    assert key(mine, "--dataset", "MINE", "--model", model, *options) == key(mine, "-c", config, *options)


@pytest.mark.parametrize("model", ["D2STGNN", "D2STGNN+"])
def test_where_the_two_have_a_config_file_its_settings_count(model):
    args = run_command.parser().parse_args(["--dataset", "METR-LA", "--model", model])
    settings = run_command.asked_for(args).training
    assert settings != experiment("METR-LA", model).training
    assert settings == load_experiment(ROOT / config_path("METR-LA", model)).training


def test_a_run_by_name_is_finished_for_its_config_too(mine, tmp_path, capsys):
    config = tmp_path / "config.py"
    config.write_text('from experiments.defaults import experiment\nCFG = experiment("MINE", "HA-week")\n')
    places = ["--data", str(mine), "--results", str(tmp_path / "results")]
    run_command.main(["--dataset", "MINE", "--model", "HA-week", *places])
    run_command.main(["-c", str(config), *places])
    assert "MINE/HA-week: already finished" in capsys.readouterr().out


@pytest.mark.parametrize("command", [run_command, screen_command], ids=["run", "screen"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--dataset", "MIEN", "--model", "LSTM+"], "data set 'MIEN' is not in"),
        (["--dataset", "MIEN", "--model", "LSTM+"], "did you mean 'MINE'? If not, prepare it with: python datasets/"),
        (["--dataset", "pems8", "--model", "LSTM+"], "did you mean 'PEMS08'?"),
        (["--dataset", "QQQQ", "--model", "LSTM+"], "is not in {data}: prepare it with: python datasets/prepare.py"),
        (["--dataset", "MINE", "--model", "lstm"], "unknown model 'lstm': did you mean 'LSTM'?"),
        (["--dataset", "MINE"], "--model not given"),
        (["-c", "experiments/TINY/LSTM_LoRA.py", "--model", "LSTM+"], "--model LSTM+: -c experiments/TINY/LSTM_LoRA"),
    ],
)
def test_a_misspelt_or_missing_name_is_answered_with_what_is_meant(command, options, said, mine, tmp_path, capsys):
    more = ["--protocol", "joint"] if command is screen_command else []
    line = refusal(command.main, [*options, *more, "--data", mine, "--results", tmp_path / "r"], capsys)
    assert said.format(data=mine) in line and not (tmp_path / "r").exists()


def planned(data, *arguments):
    args = sweep_command.parser().parse_args([*arguments, "--seeds", "0", "--data", str(data)])
    return make_plan(sweep_command.request(args))


def test_a_sweep_takes_any_prepared_set_and_any_registered_model(mine):
    jobs = planned(mine, "--datasets", "MINE", "--models", "all").jobs
    assert {job.key.model for job in jobs} == set(models())
    for job in jobs:
        assert job.arguments[1:3] == ("--dataset", "MINE")
        assert key(mine, *job.arguments[1 : job.arguments.index("--data")]) == job.key


def test_globs_find_prepared_sets_beside_those_that_have_configs(mine):
    plan = planned(mine, "--datasets", "[TM]IN*", "--models", "LSTM")
    commands = {job.key.dataset: job.arguments[1:3] for job in plan.jobs}
    assert commands == {"TINY": ("-c", "experiments/TINY/LSTM.py"), "MINE": ("--dataset", "MINE")}


def test_a_sweep_answers_an_unknown_data_set_with_the_nearest_and_how_to_prepare_it(mine, capsys):
    line = refusal(sweep_command.main, ["--datasets", "MINEE", "--models", "LSTM", "--data", mine], capsys)
    assert "did you mean 'MINE'?; for data of your own, prepare it with: python datasets/prepare.py MINEE" in line


@pytest.mark.parametrize("folder", [".", "elsewhere"], ids=["in the root", "elsewhere"])
def test_the_summary_of_a_preparation_ends_with_a_command_that_works_as_it_stands(folder, tiny_data, tmp_path):
    cwd = ROOT if folder == "." else tmp_path
    data = tmp_path / "my data"
    arguments = [ROOT / "datasets/prepare.py", "MINE", "--raw", tiny_data / "TINY", "--data", data]

    def there(*words):
        return subprocess.run(
            [sys.executable, *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False, timeout=120
        )

    last = succeeded(there(*arguments)).splitlines()[-1]
    python, *words = shlex.split(re.fullmatch(r"  next: +(.*)", last)[1])
    assert python == "python" and words[1:5] == ["--dataset", "MINE", "--model", "LSTM+"]
    done = there(*words, "--seeds", "0", "--epochs", "1", "--batch-size", "512", "--results", tmp_path / "results")
    assert "MINE/LSTM+ seed 0: finished" in succeeded(done)
    assert succeeded(there(*arguments)).splitlines()[-1] == last
