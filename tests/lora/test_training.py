"""Training with an adapter, through the real runner on TINY."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from basicts.runners.callback import BasicTSCallback

from experiments import run as run_command
from stlora_ext.config.experiment import experiment
from stlora_ext.data.prepared import load_meta
from stlora_ext.host.launcher import launch_training
from stlora_ext.host.runner import HostRunner
from stlora_ext.lora.files import backbone_hash
from stlora_ext.runs.adapter_runner import STLoRARunner
from stlora_ext.runs.build import host_config
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.run import train_run
from stlora_ext.runs.store import read_record
from tests.support.commands import ROOT, refusal

FAST = {"num_epochs": 1, "model.hidden_size": 8, "model.end_size": 16}


@pytest.fixture
def launch(tiny_data, tmp_path):
    """Returns a function that trains an experiment on TINY and returns its runner."""

    def launched(exp, *callbacks, seed=0, folder="run"):
        cfg = host_config(exp, load_meta(tiny_data, "TINY"), seed, RunOptions(tiny_data), tmp_path / folder)
        cfg.callbacks += callbacks
        return launch_training(cfg, HostRunner if exp.adapter is None else STLoRARunner)

    return launched


class Watch(BasicTSCallback):
    """Keeps the backbone's first weights and every batch."""

    def __init__(self):
        self.weights, self.batches = None, []

    def on_train_start(self, runner):
        backbone = getattr(runner.model, "backbone", runner.model)
        self.weights = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}

    def on_compute_loss(self, runner, data, **_):
        self.batches.append(data["inputs"].clone())


class Stop(BasicTSCallback):
    """Interrupts a run in the middle of an epoch, the first time."""

    done = False

    def on_step_end(self, runner, step):
        if step == 25 and not Stop.done:
            Stop.done = True
            raise KeyboardInterrupt


@pytest.mark.parametrize("arm", ["plus", "control", "wide"])
def test_base_and_plus_of_one_seed_share_initial_weights_and_batches(arm, launch):
    plus = experiment("TINY", "LSTM+", adapter={"dropout": 0.2}).override(FAST).with_arm(arm)
    watches = [Watch(), Watch(), Watch()]
    launch(plus.with_arm("base"), watches[0], folder="base")
    launch(plus, watches[1], folder="plus")
    launch(plus, watches[2], seed=1, folder="other")
    assert all(torch.equal(watches[1].weights[name], value) for name, value in watches[0].weights.items())
    assert len(watches[0].batches) == len(watches[1].batches) > 10
    assert all(torch.equal(a, b) for a, b in zip(watches[0].batches, watches[1].batches, strict=True))
    assert not torch.equal(watches[0].batches[0], watches[2].batches[0])
    assert any(not torch.equal(watches[2].weights[name], value) for name, value in watches[0].weights.items())


@pytest.mark.parametrize("model", ["LSTM+", "HA+"])
def test_the_optimizer_holds_exactly_the_trainable_tensors(model, launch):
    runner = launch(experiment("TINY", model).override({"num_epochs": 1, "lr": 2e-3, "weight_decay": 1e-4}))
    held = [id(p) for group in runner.optimizer.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in runner.model.parameters() if p.requires_grad)
    adapter = runner.optimizer.param_groups[-1]
    assert {id(p) for p in adapter["params"]} == {id(p) for p in runner.model.adapter.parameters()}
    assert adapter["weight_decay"] == 0.0
    assert adapter["lr"] == (2e-3 if model == "LSTM+" else 1e-3)
    if model == "LSTM+":
        assert runner.optimizer.param_groups[0]["weight_decay"] == 1e-4


def test_the_adapter_has_a_learning_rate_of_its_own(launch):
    runner = launch(experiment("TINY", "LSTM+", adapter_lr=0.02).override(FAST))
    assert [group["lr"] for group in runner.optimizer.param_groups] == [1e-3, 0.02]


def test_adapting_leaves_the_trained_backbone_bitwise_unchanged(tiny_data, tmp_path, capsys):
    """The whole way: train a base run, adapt it by the command, compare the backbone inside with the base's weights."""
    common = ["--data", str(tiny_data), "--results", str(tmp_path), "--seeds", "0", "--epochs", "1"]
    run_command.main(["-c", "experiments/TINY/LSTM.py", *common])
    (trained,) = (tmp_path / "TINY/LSTM").glob("*/model.pt")
    run_command.main(["-c", "experiments/TINY/LSTM_LoRA.py", *common, "--protocol", "adapt", "--from", str(trained)])
    (adapted,) = (tmp_path / "TINY/LSTM+").glob("adapt-plus-*/model.pt")
    before, after = (torch.load(p, weights_only=True)["model_state_dict"] for p in (trained, adapted))
    assert all(torch.equal(after[f"backbone.{name}"], value) for name, value in before.items())
    base, plus = (read_record(p.parent.with_suffix(".json")) for p in (trained, adapted))
    assert plus.parameters.trainable == plus.parameters.adapter > 0
    assert plus.parameters.backbone == base.parameters.backbone
    assert plus.scores.average["MAE"] < base.scores.average["MAE"]


@pytest.mark.parametrize("model", ["HA", "HA-week"])
def test_a_fitted_backbone_is_fitted_and_only_its_adapter_trained(model, tiny_data, launch):
    base = launch(experiment("TINY", model), folder="base")
    plus = launch(experiment("TINY", f"{model}+", num_epochs=2), folder="plus")
    assert backbone_hash(plus.model.backbone) == backbone_hash(base.model)
    assert plus.history[-1]["loss"] < plus.history[0]["loss"]


def test_an_interrupted_run_with_adapter_ends_like_an_uninterrupted_one(launch):
    exp = experiment("TINY", "LSTM+", adapter={"dropout": 0.3}).override({**FAST, "num_epochs": 3})
    whole = launch(exp, folder="whole")
    with pytest.raises(KeyboardInterrupt):
        launch(exp, Stop(), folder="parts")
    resumed = launch(exp, Stop(), folder="parts")
    assert len(resumed.history) == 3 and resumed.start_epoch == 1
    assert resumed.test_result == whole.test_result
    assert backbone_hash(resumed.model) == backbone_hash(whole.model)


def test_the_arms_have_their_own_keys_and_the_control_fewer_parameters(tiny_data, tmp_path):
    meta, place = load_meta(tiny_data, "TINY"), RunOptions(tiny_data, tmp_path)
    exp = replace(experiment("TINY", "LSTM+").override(FAST), seeds=(0,))
    records = {arm: train_run(exp.with_arm(arm), meta, 0, place)[0] for arm in ("base", "plus", "control", "wide")}
    keys = {arm: (record.key.model, record.key.protocol, record.key.arm) for arm, record in records.items()}
    assert keys == {
        "base": ("LSTM", "joint", "base"),
        **{arm: ("LSTM+", "joint", arm) for arm in ("plus", "control", "wide")},
    }
    assert len({record.key.config_hash for record in records.values()}) == 4
    adapters = {arm: record.parameters.adapter for arm, record in records.items()}
    assert adapters["base"] == 0 < adapters["control"] < adapters["plus"] <= adapters["wide"]


@pytest.mark.parametrize(
    ("config", "arguments", "expected"),
    [
        ("LSTM", ["--arm", "plus"], "LSTM carries no adapter; give the config of LSTM+, experiments/TINY/LSTM_LoRA.py"),
        ("LSTM", ["--protocol", "adapt"], "LSTM carries no adapter to train"),
        ("LSTM", ["--set", "adapter.rank=3"], "unknown key 'adapter.rank'"),
        ("LSTM_LoRA", ["--set", "adapter.ranks=3"], "did you mean 'adapter.rank'"),
        ("LSTM_LoRA", ["--set", "adapter.rank=0"], "rank=0: expected a whole number of at least 1"),
        ("LSTM_LoRA", ["--set", "adapter.sharing=nodes"], "did you mean 'node'"),
        ("LSTM_LoRA", ["--protocol", "adapt"], "--train-backbone trains it first, --from PATH names another one"),
        ("LSTM_LoRA", ["--protocol", "adapt", "--from", "nowhere.pt"], "--from nowhere.pt does not exist: expected"),
        ("LSTM_LoRA", ["--from", "nowhere.pt"], "only --protocol adapt"),
        ("HA_LoRA", ["--from", "nowhere.pt"], "HA is fitted to the data of the run itself; leave --from out"),
        ("HA_LoRA", ["--protocol", "joint"], "HA is fitted, not trained"),
        ("LSTM_LoRA", ["--arm", "pluss"], "invalid choice: 'pluss'"),
    ],
)
def test_arms_and_protocols_that_make_no_sense_are_refused(config, arguments, expected, tiny_data, tmp_path, capsys):
    line = refusal(
        run_command.main,
        ["-c", f"experiments/TINY/{config}.py", "--data", tiny_data, "--results", tmp_path, *arguments],
        capsys,
    )
    assert expected in line


def test_a_checkpoint_with_adapter_is_no_backbone(tiny_data, tmp_path, capsys):
    model = Path(tmp_path, "model.pt")
    torch.save({"model_state_dict": {"adapter.x": torch.zeros(1)}}, model)
    line = refusal(
        run_command.main,
        ["-c", "experiments/TINY/LSTM_LoRA.py", "--data", tiny_data, "--protocol", "adapt", "--from", model],
        capsys,
    )
    assert "carries an adapter already" in line


def test_a_named_backbone_that_saw_other_inputs_is_refused(tiny_data, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stats = {"mean": torch.zeros(1, 12), "std": torch.ones(1, 12)}
    torch.save({"model_state_dict": {"x": torch.zeros(1)}, "scaler_stats": stats}, "stock.pt")
    torch.save({"model_state_dict": {"x": torch.zeros(1)}}, "unknown.pt")  # in the working folder: its parent is "."
    arguments = [
        "-c",
        ROOT / "experiments" / "TINY" / "LSTM_LoRA.py",
        "--data",
        tiny_data,
        "--protocol",
        "adapt",
        "--dry-run",
        "--from",
    ]
    line = refusal(run_command.main, [*arguments, "stock.pt"], capsys)
    assert "stock.pt was trained on readings normalised sensor by sensor" in line
    run_command.main([str(argument) for argument in [*arguments, "unknown.pt"]])
    assert "adapt-plus" in capsys.readouterr().out
