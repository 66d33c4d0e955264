"""A run takes its lengths from the data set: every model, any lengths, and what can't work is refused by name."""

import json
import math
import re
import shlex

import pytest

from experiments import run as run_command
from experiments import sweep as sweep_command
from experiments import table as table_command
from stlora_ext.config import config_file
from stlora_ext.config.experiment import experiment
from stlora_ext.data.prepared import load_meta
from stlora_ext.errors import UserError
from stlora_ext.runs.backbone import run_key
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.run import train_run
from stlora_ext.runs.store import read_records
from stlora_ext.sweep import request as planned
from tests.support.commands import refusal, run, succeeded
from tests.support.small import OURS, SMALL

TRAINED = [(12, 1), (12, 3), (24, 24), (48, 12), (36, 6), (7, 5), (1, 1)]
TOO_SHORT = {"STGCN": 9, "D2STGNN": 11, "VAR": 3}  # input steps that the published kernels, layers and order need
NARROW = {
    model: {name: value for name, value in settings.items() if name != "num_layers"}
    for model, settings in SMALL.items()
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Returns the folder and the name of a data set of 5 sensors with given lengths."""
    folder = tmp_path_factory.mktemp("lengths")

    def made(input_len, output_len):
        name = f"SET-{input_len}-{output_len}"
        if not (folder / name).exists():
            succeeded(
                run(
                    "datasets/simulate.py",
                    name,
                    "--nodes",
                    "5",
                    "--days",
                    "2",
                    "--interval",
                    "10",
                    "--input-len",
                    str(input_len),
                    "--output-len",
                    str(output_len),
                    "--data",
                    folder,
                )
            )
        return folder, name

    return made


@pytest.fixture
def own_root(tmp_path, monkeypatch):
    """Returns a function that writes a config; the commands look for configs there."""
    for module in (config_file, planned):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)

    def write(dataset, *names):
        (tmp_path / "experiments" / dataset).mkdir(parents=True, exist_ok=True)
        for name in names:
            (tmp_path / config_file.config_path(dataset, name)).write_text(
                f'from experiments.defaults import experiment\nCFG = experiment("{dataset}", "{name}", num_epochs=1, '
                f"seeds=[0], model_settings={NARROW.get(name.removesuffix('+'), {})})\n"
            )

    return write


@pytest.mark.parametrize("lengths", TRAINED, ids="{0[0]}-{0[1]}".format)
@pytest.mark.parametrize("model", [*OURS, *(f"{name}+" for name in OURS)])
def test_every_model_trains_with_the_lengths_of_its_data_set_or_is_refused_by_name(model, lengths, data, tmp_path):
    """What is refused names the model, the reason and a setting with which it trains."""
    folder, name = data(*lengths)
    backbone = model.removesuffix("+")
    exp = experiment(name, model, model_settings=NARROW.get(backbone, {}), num_epochs=1, batch_size=256)  # one step
    meta, place = load_meta(folder, name), RunOptions(folder, tmp_path)
    if lengths[0] < TOO_SHORT.get(backbone, 0):
        with pytest.raises(UserError, match=f"{backbone}: .*set model") as refused:
            train_run(exp, meta, 0, place)
        assert not list(tmp_path.rglob("*.pt")), "before training"
        setting, value = re.search(r"set (model\.\w+)=(\d+)", str(refused.value)).groups()
        exp = exp.override({setting: int(value)})
    record, _ = train_run(exp, meta, 0, place)
    assert len(record.scores.horizons) == lengths[1]
    assert all(math.isfinite(scores["MAE"]) for scores in record.scores.horizons)
    said = record.configuration
    assert (said.training["input_len"], said.training["output_len"]) == lengths
    if exp.adapter is not None:
        assert (said.adapter["input_len"], said.adapter["output_len"]) == lengths


@pytest.mark.parametrize(("output_len", "gap"), [(1, 1), (2, 2), (3, 3), (4, 2), (5, 1), (12, 3), (24, 3)])
def test_the_gap_of_d2stgnn_follows_the_forecast_unless_it_is_set(output_len, gap):
    exp = experiment("TINY", "D2STGNN")
    assert exp.with_lengths(12, output_len).model_settings["gap"] == gap
    assert exp.override({"model.gap": 4}).with_lengths(12, output_len).model_settings["gap"] == 4


@pytest.mark.parametrize("model", ["HA", "LSTM+", "D2STGNN"])
def test_equal_lengths_are_accepted_and_are_the_same_run(model, tiny_data):
    meta = load_meta(tiny_data, "TINY")
    said = experiment("TINY", model, input_len=12, output_len=12)
    assert run_key(said, meta, 0) == run_key(experiment("TINY", model), meta, 0)


def test_a_set_prepared_with_other_lengths_runs_without_a_setting(data, own_root, tmp_path, capsys):
    folder, name = data(12, 3)
    own_root(name, "LSTM+")
    common = ["-c", str(config_file.config_path(name, "LSTM+")), "--data", str(folder), "--results", "results"]
    run_command.main([*common, "--dry-run"])
    printed = capsys.readouterr().out
    assert re.findall(r'"(?:in|out)put_len": \w+', printed) == ['"input_len": 12', '"output_len": 3'] * 2
    run_command.main(common)
    printed = capsys.readouterr().out
    assert re.findall(r"^  (.*?) +MAE", printed, re.MULTILINE) == ["10 min", "20 min", "30 min", "average"]
    (metrics,) = (tmp_path / "results").rglob("test_metrics.json")
    assert list(json.loads(metrics.read_text())) == ["overall", "horizon_1", "horizon_2", "horizon_3"]


@pytest.mark.parametrize("asked", ["input_len=24 output_len=6", "output_len=1"])
def test_another_length_is_refused_with_the_commands_that_have_it(asked, data, tmp_path, capsys):
    folder, name = data(12, 3)
    (tmp_path / "before.py").write_text(
        f'from experiments.defaults import experiment\nCFG = experiment("{name}", "LSTM")\n'
    )
    line = refusal(
        run_command.main,
        ["-c", tmp_path / "before.py", "--data", folder, "--results", tmp_path, "--set", *asked.split()],
        capsys,
    )
    command, options = re.search(r"another name: python (.*) and run it with (.*)$", line).groups()
    script, *arguments = shlex.split(command)
    succeeded(run(script, *arguments))
    run_command.main(
        [*options.split(), "--data", str(folder), "--results", str(tmp_path), "--epochs", "1", "--seeds", "0"]
    )
    (record,) = read_records(tmp_path, arguments[0])
    wanted = {"input_len": 12, "output_len": 3} | {
        key: int(value) for key, value in (each.split("=") for each in asked.split())
    }
    assert {key: record.configuration.training[key] for key in wanted} == wanted
    before, after = load_meta(folder, name), load_meta(folder, arguments[0])
    assert (after.num_steps, after.start, after.sensor_ids, after.null_val, after.has_graph) == (
        before.num_steps,
        before.start,
        before.sensor_ids,
        before.null_val,
        before.has_graph,
    )


def follow(command, folder):
    """Run what a table says of a missing cell."""
    python, script, *arguments = shlex.split(command)
    assert (python, script) == ("python", "experiments/run.py")
    run_command.main([*arguments, "--data", str(folder)])


def missing(capsys, name, results):
    """Return the commands that a table of the data set tells, and the table."""
    capsys.readouterr()
    table_command.main(["--dataset", name, "--results", str(results)])
    text = capsys.readouterr().out
    return re.findall(r"^- .*?: `(.*)`$", text, re.MULTILINE), text


@pytest.mark.parametrize("lengths", [(12, 1), (24, 24), (36, 6)], ids="{0[0]}-{0[1]}".format)
@pytest.mark.parametrize(("model", "configs"), [("HA", True), ("D2STGNN", True), ("D2STGNN", False)])
def test_the_commands_of_missing_cells_fill_them_for_every_length(
    lengths, model, configs, data, own_root, tmp_path, capsys
):
    folder, name = data(*lengths)
    if configs:
        own_root(name, model, f"{model}+")
    place = RunOptions(folder, tmp_path / "results")
    exp = experiment(name, model, model_settings=NARROW.get(model, {}), num_epochs=1)
    train_run(exp, load_meta(folder, name), exp.run_seeds[0], place)
    commands, _ = missing(capsys, name, place.results)
    assert "_len" not in commands[0] and "gap" not in commands[0]
    follow(commands[0], folder)
    commands, text = missing(capsys, name, place.results)
    assert not commands and f"Δ {model}+" in text


def test_two_lengths_of_one_name_are_two_tables_though_their_arrays_are_the_same(own_root, tmp_path, capsys):
    """12 -> 24 and 24 -> 12 cut the same rows: one fingerprint, and still no cell holds both."""
    made = ["datasets/simulate.py", "MINE", "--nodes", "5", "--days", "2", "--interval", "10", "--force", "--data"]
    own_root("MINE", "HA+")
    fingerprints, place = set(), RunOptions(tmp_path / "data", tmp_path / "results")
    for lengths in ((12, 24), (24, 12)):
        succeeded(run(*made, place.data, "--input-len", lengths[0], "--output-len", lengths[1]))
        meta = load_meta(place.data, "MINE")
        fingerprints.add(meta.fingerprint)
        train_run(experiment("MINE", "HA"), meta, None, place)
    assert len(fingerprints) == 1
    commands, text = missing(capsys, "MINE", place.results)
    assert text.count("(one of 2 versions of MINE, never mixed)") == 2
    assert "with 12 steps in, 24 out" in text and "with 24 steps in, 12 out" in text
    follow(next(command for command in commands if "input_len=24" in command), place.data)
    with pytest.raises(UserError, match="input_len=12, output_len=24: MINE was prepared for 24 and 12"):
        follow(next(command for command in commands if "input_len=12" in command), place.data)


def test_a_sweep_mixes_data_sets_of_different_lengths(data, own_root, tmp_path):
    (folder, short), (_, long) = data(12, 1), data(24, 24)
    for name in (short, long):
        own_root(name, "HA", "LSTM+", "D2STGNN")
    args = sweep_command.parser().parse_args(
        [
            "--datasets",
            short,
            long,
            "--models",
            "HA",
            "LSTM+",
            "D2STGNN",
            "--seeds",
            "0",
            "--data",
            str(folder),
            "--results",
            str(tmp_path / "results"),
        ]
    )
    plan = planned.make_plan(sweep_command.request(args))
    assert not plan.left_out and len(plan.jobs) == 6
    for job in plan.jobs:
        run_command.main(job.arguments[1:])
        assert job.record(tmp_path / "results") is not None, "its key is the one that the plan foresaw"


def test_a_named_size_keeps_its_lengths(tmp_path):
    result = run("datasets/simulate.py", "TINY", "--output-len", 3, "--data", tmp_path)
    assert result.returncode == 2
    assert "--output-len 3 contradicts TINY, for which it is 12: leave it out" in result.stderr
