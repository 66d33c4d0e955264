"""Protocol adapt: where the trained backbone comes from, and its forecasts computed once."""

import shutil
from dataclasses import replace

import pytest
import torch
from basicts.runners.callback import BasicTSCallback

from experiments import run as run_command
from stlora_ext.config.experiment import experiment
from stlora_ext.data.prepared import load_meta
from stlora_ext.errors import UserError
from stlora_ext.host.launcher import launch_training
from stlora_ext.runs import adapter_runner as lora_runner
from stlora_ext.runs.adapter_runner import STLoRARunner
from stlora_ext.runs.backbone import run_config, run_key
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.run import train_run
from stlora_ext.runs.store import read_record
from stlora_ext.weights import weights_fingerprint
from tests.support.commands import refusal
from tests.support.otherwise import interrupt_after, prepared_otherwise

FAST = {
    "num_epochs": 3,
    "model.hidden_size": 8,
    "model.end_size": 16,
    "adapter.dropout": 0.2,
    "adapter.row_dropout": 0.2,
}


@pytest.fixture(scope="module")
def trained(tiny_data, tmp_path_factory):
    """A results folder with finished base runs of LSTM, seeds 0 and 1, and the experiment that adapts them."""
    results = tmp_path_factory.mktemp("results")
    exp = experiment("TINY", "LSTM+").override(FAST).with_protocol("adapt")
    meta = load_meta(tiny_data, "TINY")
    for seed in (0, 1):
        train_run(exp.with_arm("base"), meta, seed, RunOptions(tiny_data, results))
    return exp, meta, RunOptions(tiny_data, results)


def launch(trained, folder, *callbacks, **settings):
    exp, meta, place = trained
    path = place.results / run_key(exp.with_arm("base"), meta, 0).path / "model.pt"
    exp = replace(exp.override(settings), backbone_from=str(path))
    cfg = run_config(exp, meta, 0, place, folder)
    cfg.callbacks += callbacks
    return launch_training(cfg, STLoRARunner)


class CountForwards(BasicTSCallback):
    """Counts the backbone's forward passes per epoch, and stops where told."""

    def __init__(self, stop_in=None):
        self.count, self.epochs, self.stop = [0], {stop_in}, KeyboardInterrupt

    def on_train_start(self, runner):
        runner.model.backbone.register_forward_hook(lambda *_: self.count.append(self.count.pop() + 1))

    def on_epoch_start(self, runner, epoch):
        self.count.append(0)

    def on_epoch_end(self, runner, epoch, step):
        if epoch in self.epochs:
            raise self.stop


def test_the_backbone_forecasts_every_window_once_and_training_asks_it_no_more(trained, tmp_path, monkeypatch):
    watches = [CountForwards(), CountForwards()]
    cached = launch(trained, tmp_path / "cached", watches[0])
    monkeypatch.setattr(lora_runner, "CACHE_LIMIT", 0)
    asked = launch(trained, tmp_path / "asked", watches[1])
    assert cached.cached_forecasts and not asked.cached_forecasts
    assert watches[0].count[:3] == [0, 0, 0] and min(watches[1].count[1:]) > 5
    for one, other in zip(cached.history, asked.history, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)
    assert cached.test_result["average"]["MAE"] == pytest.approx(asked.test_result["average"]["MAE"], rel=1e-4)


def test_an_interrupted_adaptation_ends_like_an_uninterrupted_one(trained, tmp_path):
    whole = launch(trained, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        launch(trained, tmp_path / "parts", CountForwards(stop_in=2))
    resumed = launch(trained, tmp_path / "parts", CountForwards())
    assert resumed.start_epoch == 1 and resumed.cached_forecasts
    assert resumed.test_result == whole.test_result
    assert all(torch.equal(value, whole.model.state_dict()[name]) for name, value in resumed.model.state_dict().items())


def test_every_seed_adapts_the_backbone_of_its_seed_under_one_configuration(trained):
    exp, meta, place = trained
    records = [train_run(exp, meta, seed, place)[0] for seed in (0, 1)]
    assert len({record.key.config_hash for record in records}) == 1
    for seed, record in enumerate(records):
        assert record.adapted.key == run_key(exp.with_arm("base"), meta, seed)
        assert record.content["training"]["cached_forecasts"]
        assert record.parameters.trainable == record.parameters.adapter
    assert records[0].adapted.weights != records[1].adapted.weights


def test_a_backbone_named_by_path_is_the_same_configuration_as_the_one_that_is_found(trained):
    exp, meta, place = trained
    path = place.results / run_key(exp.with_arm("base"), meta, 0).path / "model.pt"
    pattern = str(path).replace("seed0", "seed{seed}")
    named = replace(exp, backbone_from=pattern)
    assert run_key(named, meta, 0) == run_key(exp, meta, 0)
    assert run_key(named, meta, 1) == run_key(exp, meta, 1)
    of_seed_0 = replace(exp, backbone_from=pattern.replace("{seed}", "0"))
    assert run_key(of_seed_0, meta, 1).config_hash != run_key(exp, meta, 1).config_hash


def test_a_dry_run_names_the_backbone_of_every_seed(trained, capsys):
    exp, meta, place = trained
    path = place.results / run_key(exp.with_arm("base"), meta, 0).path / "model.pt"
    run_command.main(
        [
            "-c",
            "experiments/TINY/LSTM_LoRA.py",
            "--data",
            str(place.data),
            "--results",
            str(place.results),
            "--seeds",
            "0-1",
            "--set",
            *(f"{key}={value}" for key, value in FAST.items()),
            "--protocol",
            "adapt",
            "--from",
            str(path).replace("seed0", "seed{seed}"),
            "--dry-run",
        ]
    )
    printed = capsys.readouterr().out
    assert all(run_key(exp, meta, seed).path.name in printed for seed in (0, 1))


@pytest.fixture
def other_preparation(tiny_data, tmp_path):
    """A data folder with another series of the name and shape of TINY."""
    shutil.copytree(tiny_data / "TINY", tmp_path / "other" / "TINY")
    return prepared_otherwise(tmp_path / "other", "TINY")


def test_the_base_run_of_another_preparation_is_not_adapted(trained, other_preparation, tmp_path):
    exp, _, place = trained
    shutil.copytree(place.results, tmp_path / "r", ignore=shutil.ignore_patterns("LSTM+"))
    with pytest.raises(UserError, match=r"record .*TINY/LSTM/.* is of other data than TINY holds now \(fingerprint"):
        train_run(
            exp, load_meta(other_preparation, "TINY"), 0, replace(place, data=other_preparation, results=tmp_path / "r")
        )


@pytest.mark.parametrize("with_record", [True, False])
def test_a_backbone_named_by_path_of_another_preparation_is_not_adapted(
    trained, other_preparation, tmp_path, with_record
):
    exp, meta, place = trained
    key = run_key(exp.with_arm("base"), meta, 0)
    path = shutil.copytree(place.results / key.path, tmp_path / "elsewhere" / key.path.name) / "model.pt"
    if with_record:
        shutil.copy(key.record_path(place.results), tmp_path / "elsewhere")
    named = replace(exp, backbone_from=str(path))
    elsewhere = RunOptions(other_preparation, tmp_path / "results")
    with pytest.raises(UserError, match="the backbone .* was trained on other data .*--train-backbone without --from"):
        train_run(named, load_meta(other_preparation, "TINY"), 0, elsewhere)


def test_an_adaptation_does_not_go_on_upon_a_repeated_backbone(trained, tmp_path, monkeypatch):
    """The base is repeated to other weights between the two halves of the run that adapts it."""
    exp, meta, place = trained
    shutil.copytree(place.results, tmp_path / "r", ignore=shutil.ignore_patterns("LSTM+"))
    place = replace(place, results=tmp_path / "r")
    key, base = run_key(exp, meta, 0), run_key(exp.with_arm("base"), meta, 0)
    path = place.results / base.path / "model.pt"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(STLoRARunner, "_save_model", interrupt_after(STLoRARunner._save_model))
        train_run(exp, meta, 0, place)
    content = torch.load(path, weights_only=True)
    name, tensor = next(iter(content["model_state_dict"].items()))
    content["model_state_dict"][name] = tensor * 1.5
    torch.save(content, path)
    with pytest.raises(UserError, match="last.pt was begun on other weights of the backbone.*anew with --force"):
        train_run(exp, meta, 0, place)
    record, _ = train_run(exp, meta, 0, place, force=True)  # the remedy
    state = content["model_state_dict"]
    assert record.adapted.weights == weights_fingerprint(state)
    trained_now = torch.load(place.results / key.path / "model.pt", weights_only=True)["model_state_dict"]
    assert all(torch.equal(trained_now[f"backbone.{name}"], tensor) for name, tensor in state.items())


def test_the_backbone_is_trained_first_when_asked(tiny_data, tmp_path):
    common = [
        "-c",
        "experiments/TINY/LSTM_LoRA.py",
        "--data",
        str(tiny_data),
        "--results",
        str(tmp_path),
        "--seeds",
        "0",
        "--epochs",
        "2",
        "--set",
        "model.hidden_size=8",
        "--protocol",
        "adapt",
    ]
    run_command.main([*common, "--train-backbone"])
    (base,) = (tmp_path / "TINY/LSTM").glob("*.json")
    (adapted,) = (tmp_path / "TINY/LSTM+").glob("adapt-plus-*.json")
    assert read_record(adapted).adapted_key == read_record(base).key


@pytest.mark.parametrize("arguments", [[], ["--protocol", "adapt", "--from", "model.pt"]])
def test_train_backbone_without_effect_is_refused(arguments, tiny_data, tmp_path, capsys):
    line = refusal(
        run_command.main,
        [
            "-c",
            "experiments/TINY/LSTM_LoRA.py",
            "--data",
            tiny_data,
            "--results",
            tmp_path,
            "--train-backbone",
            *arguments,
        ],
        capsys,
    )
    assert line.startswith("--train-backbone: this run goes on from no backbone that could be trained first")


def test_a_run_of_another_model_is_no_backbone(trained, capsys):
    exp, meta, place = trained
    path = place.results / run_key(exp.with_arm("base"), meta, 0).path / "model.pt"
    line = refusal(
        run_command.main,
        [
            "-c",
            "experiments/TINY/STGCN_LoRA.py",
            "--data",
            place.data,
            "--results",
            place.results,
            "--protocol",
            "adapt",
            "--from",
            path,
        ],
        capsys,
    )
    assert "is a run of LSTM, expected one of STGCN" in line
