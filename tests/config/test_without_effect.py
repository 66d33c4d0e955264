"""A setting that a user gives and that changes nothing is refused; what is refused can be left out."""

import json
import shlex
from pathlib import Path

import pytest

from experiments import run as run_command
from experiments import sweep as sweep_command
from stlora_ext.config import config_file as config_reader
from stlora_ext.config.basicts_models import BASICTS_MODELS
from stlora_ext.config.config_file import config_or_default, load_experiment
from stlora_ext.config.experiment import experiment
from stlora_ext.data.prepared import load_meta
from stlora_ext.errors import UserError
from stlora_ext.runs.backbone import run_key
from stlora_ext.runs.key import RunKey
from stlora_ext.runs.rerun import rebuild, repeat_command
from stlora_ext.sweep.request import make_plan
from tests.support.commands import ROOT, refusal

# Arguments of run.py, and which of the settings has no effect.
IDLE = [
    ("LSTM.py --set curriculum_every=3", "curriculum_every=3"),
    ("D2STGNN.py --set curriculum_every=5 --epochs 50", "curriculum_every=5"),
    ("D2STGNN.py --set curriculum_warm_up=10 --epochs 99", "curriculum_warm_up=10"),
    ("D2STGNN.py --set curriculum_warm_up=None --epochs 99", "curriculum_warm_up=None"),
    ("D2STGNN.py --set curriculum_warm_up=100", "curriculum_warm_up=100"),
    ("AGCRN.py --set lr_gamma=0.3", "lr_gamma=0.3"),
    ("LSTM.py --set lr_gamma=0.3 --epochs 50", "lr_gamma=0.3"),
    ("LSTM.py --set lr_milestones=[20,120]", "lr_milestones=[20, 120]"),
    ("LSTM.py --set lr_milestones=[100]", "lr_milestones=[100]"),
    ("STGCN.py --set lr_milestones=[5] --epochs 3", "lr_milestones=[5]"),
    ("LSTM.py --set lr_milestones=[] --epochs 3", "lr_milestones=[]"),
    ("LSTM.py --set patience=5 --epochs 6", "patience=5"),
    ("LSTM.py --set patience=130", "patience=130"),
    ("LSTM.py --set patience=99", "patience=99"),
    ("LSTM.py --set patience=9 val_interval=10", "patience=9"),
    ("LSTM.py --set val_interval=9 --epochs 3", "val_interval=9"),
    ("LSTM.py --set adapter_lr=0.1", "adapter_lr=0.1"),
    ("LSTM_LoRA.py --set adapter_lr=0.1 --arm base", "adapter_lr=0.1"),
    ("LSTM_LoRA.py --set adapter.rank=4 --arm base", "adapter.rank=4"),
    ("LSTM_LoRA.py --set adapter.sharing=vector adapter.num_embeddings=4", "adapter.num_embeddings=4"),
    ("LSTM_LoRA.py --set adapter.sharing=none adapter.row_dropout=0.1", "adapter.row_dropout=0.1"),
    ("LSTM_LoRA.py --set adapter.rank=1 adapter.rank_stabilised=True", "adapter.rank_stabilised=True"),
    ("LSTM_LoRA.py --set adapter_lr=0.001", "adapter_lr=0.001"),
    ("LSTM_LoRA.py --set lr=0.01 adapter_lr=0.01", "adapter_lr=0.01"),
    ("AGCRN_LoRA.py --set adapter_lr=0.001 --protocol adapt", "adapter_lr=0.001"),
    ("LSTM_LoRA.py --set adapter.rank=4 adapter.alpha=4", "adapter.alpha=4"),
    ("SVR_LoRA.py --set lr=0.1", "lr=0.1"),
    ("HA_LoRA.py --set weight_decay=0.1", "weight_decay=0.1"),
    ("LSTM_LoRA.py --set lr=0.1 --protocol adapt --from x.pt", "lr=0.1"),
    ("LSTM.py --set model.num_layers=1 model.dropout=0.3", "model.dropout=0.3"),
    ("GWNet.py --set model.adaptive=False model.adaptive_rank=3", "model.adaptive_rank=3"),
    ("Autoformer --set model.factor=7", "model.factor=7"),
    ("TimeMixer+ --set model.top_k=3", "model.top_k=3"),
    ("LSTM.py --set stream.steps=3", "stream.steps=3"),
    ("LSTM_LoRA.py --set stream.memory=7.0 --protocol adapt", "stream.memory=7.0"),
    ("LSTM.py --set stream.steps=3 --protocol stream", "stream.steps=3"),
    ("LSTM_LoRA.py --set stream.memory=7.0 --protocol stream --arm base", "stream.memory=7.0"),
    ("LSTM.py --set stream.node_decay=0.1 --protocol stream --arm finetune", "stream.node_decay=0.1"),
    ("LSTM_LoRA.py --set stream.lr=0.003 --protocol stream", "stream.lr=0.003"),
    ("LSTM_LoRA.py --set adapter_lr=0.1 --protocol stream", "adapter_lr=0.1"),
    ("LSTM_LoRA.py --set stream.node_decay=0.1 --protocol stream --arm control", "stream.node_decay=0.1"),
    ("LSTM_LoRA.py --set stream.steps=0 stream.recency=2.0 --protocol stream", "stream.recency=2.0"),
    ("LSTM_LoRA.py --set new_sensors.days=[1.0]", "new_sensors.days=[1.0]"),
    ("LSTM_LoRA.py --set new_sensors.split=3 --protocol stream", "new_sensors.split=3"),
    ("LSTM_LoRA.py --set new_sensors.iterations=9 --protocol new-sensors --arm control", "new_sensors.iterations=9"),
    (
        "LSTM_LoRA.py --set new_sensors.names=['1'] new_sensors.share=0.5 --protocol new-sensors",
        "new_sensors.share=0.5",
    ),
]
IN_USE = [
    "STGCN.py --epochs 3",
    "D2STGNN.py --epochs 5",
    "LSTM.py --set patience=5",
    "LSTM.py --set patience=100",
    "LSTM.py --set patience=20 --epochs 3",
    "LSTM.py --set lr_milestones=[20,40]",
    "STGCN.py --set lr_milestones=[] --epochs 3",
    "LSTM.py --set lr_gamma=0.3",
    "D2STGNN.py --set curriculum_every=5",
    "LSTM_LoRA.py --set adapter_lr=0.1",
    "AGCRN_LoRA.py --set adapter_lr=0.001",
    "LSTM_LoRA.py --set lr=0.01 adapter_lr=0.001",
    "LSTM_LoRA.py --set adapter.rank=4 adapter.alpha=2",
    "SVR_LoRA.py --set adapter_lr=0.1 --epochs 3",
    "LSTM_LoRA.py --set lr=0.1 --protocol adapt",
    "LSTM_LoRA.py --set adapter.num_embeddings=4 --arm control",
    "LSTM_LoRA.py --set adapter.row_dropout=0.1",
    "LSTM.py --set val_interval=3 --epochs 3",
    "LSTM.py --set model.dropout=0.3",
    "GWNet.py --set model.use_graph=False model.adaptive_rank=3",
    "TimeMixer --set model.top_k=3 model.decomp_method='dft_decomp'",
    "Informer --set model.factor=7",
    "HA.py --epochs 3 --batch-size 7",
    "LSTM.py --set patience=8 val_interval=10",
    "LSTM.py --set stream.every=12 --protocol stream",
    "LSTM.py --set stream.steps=3 --protocol stream --arm finetune",
    "LSTM_LoRA.py --set stream.steps=3 --protocol stream --arm finetune",
    "LSTM_LoRA.py --set stream.node_decay=0.1 --protocol stream",
    "LSTM_LoRA.py --set new_sensors.days=[1.0] --protocol new-sensors",
    "LSTM_LoRA.py --set new_sensors.share=0.5 --protocol new-sensors --arm full",
    "LSTM.py --set new_sensors.names=['1'] --protocol new-sensors",
]


def arguments(text: str) -> list[str]:
    model, *more = text.split()
    return [
        *(["-c", f"experiments/TINY/{model}"] if model.endswith(".py") else ["--dataset", "TINY", "--model", model]),
        *more,
    ]


def asked_for(words: list[str]):
    return run_command.asked_for(run_command.parser().parse_args(words))


@pytest.mark.parametrize(("text", "setting"), IDLE)
def test_a_setting_without_effect_is_refused_by_name_with_a_remedy_that_works(text, setting):
    with pytest.raises(UserError) as caught:
        asked_for(arguments(text))
    line = str(caught.value)
    assert line.startswith(f"{setting}: it has no effect, because")
    remedy = line.rpartition("; ")[2]
    given = setting.replace(" ", "")
    without = [word for word in arguments(text) if word != given]
    if remedy == "leave it out":
        without = [
            word
            for place, word in enumerate(without)
            if word != "--set" or "=" in "".join(without[place + 1 : place + 2])
        ]
    else:
        assert remedy.endswith(" says the same")
        without = [remedy.removesuffix(" says the same") if word == given else word for word in arguments(text)]
    asked_for(without)


def test_the_settings_of_an_update_reach_the_arms_that_read_them():
    for text, steps in (("--arm finetune", 3), ("--arm base --as-recorded", 20), ("--as-recorded", 20)):
        words = arguments(f"LSTM.py --set stream.steps=3 stream.every=12 --protocol stream {text}")
        stream = asked_for(words).stream
        assert (stream.steps, stream.every) == (steps, 12)


@pytest.mark.parametrize("text", IN_USE)
def test_a_setting_with_an_effect_is_taken(text):
    asked_for(arguments(text))


@pytest.mark.parametrize(("text", "setting"), IDLE)
def test_a_record_that_holds_one_is_repeated_to_the_same_key(text, setting, tiny_data):
    """Earlier versions took them."""
    meta, words = load_meta(tiny_data, "TINY"), [*arguments(text), "--as-recorded"]
    exp = asked_for(words)
    path, config = config_or_default("TINY", exp.model)
    command = repeat_command(exp, config, path, 0, backbone_from=exp.backbone_from)
    again = asked_for(shlex.split(command)[2:])
    assert (again.model, again.arm, again.protocol) == (exp.model, exp.arm, exp.protocol)
    if exp.backbone_from is None:  # whose file this test lacks
        assert run_key(again, meta, 0) == run_key(exp, meta, 0)


def test_the_command_of_every_published_record_is_taken_as_it_stands():
    count = 0
    for path in sorted((ROOT / "results" / "published").rglob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if "key" not in record:
            continue
        key = RunKey(**record["key"])
        exp = rebuild(key, record["configuration"], str(path))
        config_file, config = config_or_default(key.dataset, exp.model)
        assert config_file is not None or exp.model.removesuffix("+") in BASICTS_MODELS  # which are run by name
        adapts = exp.protocol == "adapt" and not exp.backbone.fitted
        for backbone in (None, "x.pt") if adapts else (None,):
            words = shlex.split(repeat_command(exp, config, config_file, key.seed, backbone_from=backbone))
            assert "--as-recorded" not in words
            again = asked_for(words[2:]).with_lengths(exp.training.input_len, exp.training.output_len)
            assert json.dumps(again.settings) == json.dumps(exp.settings)
            assert (again.model, again.arm, again.protocol) == (exp.model, exp.arm, exp.protocol)
        count += 1
    assert count >= 627


def test_the_settings_of_a_config_are_judged_by_themselves():
    """A short run of the config, or another arm, isn't the config's mistake."""
    with pytest.raises(UserError, match=r"lr_milestones=\[20\]: it has no effect"):
        experiment("TINY", "LSTM", num_epochs=10, lr_milestones=[20])
    with pytest.raises(UserError, match="adapter_lr=0.1: it has no effect"):
        experiment("TINY", "LSTM", adapter_lr=0.1)
    exp = experiment("TINY", "LSTM+", num_epochs=60, lr_milestones=[20], patience=30, adapter_lr=0.1)
    assert exp.override({"num_epochs": 3}).with_arm("base").training.lr_milestones == (20,)


def test_every_config_of_the_project_holds_settings_in_use_only():
    configs = sorted((ROOT / "experiments").glob("*/*.py"))
    assert len([load_experiment(path) for path in configs]) > 100


@pytest.fixture
def plan(tiny_data, tmp_path):
    """Returns the plan of a sweep on TINY under one seed."""

    def of(*words):
        args = sweep_command.parser().parse_args(
            ["--datasets", "TINY", "--seeds", "0", "--data", str(tiny_data), "--results", str(tmp_path), *words]
        )
        return make_plan(sweep_command.request(args))

    return of


def test_a_sweep_gives_a_setting_to_the_models_that_use_it_and_says_so(plan):
    usual = {job.key.model: job for job in plan("--models", "LSTM", "LSTM+", "AGCRN", "SVR+").jobs}
    made = plan("--models", "LSTM", "LSTM+", "AGCRN", "SVR+", "--set", "lr_gamma=0.3", "adapter_lr=0.1", "lr=0.01")
    commands = {job.key.model: " ".join(job.arguments) for job in made.jobs}
    assert {
        model: [key for key in ("lr_gamma", "adapter_lr", " lr=") if key in command]
        for model, command in commands.items()
    } == {
        "LSTM": ["lr_gamma", " lr="],
        "LSTM+": ["lr_gamma", "adapter_lr", " lr="],
        "AGCRN": [" lr="],
        "SVR+": ["adapter_lr"],
    }
    assert made.settings == {
        "lr_gamma": ["LSTM", "LSTM+"],
        "adapter_lr": ["LSTM+", "SVR+"],
        "lr": ["LSTM", "LSTM+", "AGCRN"],
    }
    for job in made.jobs:
        asked_for(list(job.arguments[1:]))
    alone = {job.key.model: job for job in plan("--models", "AGCRN", "LSTM", "--set", "lr_gamma=0.3").jobs}
    assert alone["AGCRN"].key == usual["AGCRN"].key and alone["LSTM"].key != usual["LSTM"].key


def test_a_sweep_does_not_let_the_configs_milestones_come_back(plan, monkeypatch):
    """[5] means none in a config of three epochs; STGCN's published ones have one after the first."""
    monkeypatch.setattr(
        config_reader,
        "load_experiment",
        lambda path, *_: load_experiment(path).override({"num_epochs": 3} if path.stem == "STGCN" else {}),
    )
    jobs = {
        job.key.model: asked_for(list(job.arguments[1:])).training.lr_milestones
        for job in plan("--models", "STGCN", "LSTM", "--set", "lr_milestones=[5]").jobs
    }
    assert jobs == {"STGCN": (), "LSTM": (5,)}


def test_a_sweep_refuses_what_no_model_uses(plan, capsys):
    for words, expected in (
        (["lr_gamma=0.3"], "--set lr_gamma: it has no effect, because no milestone"),
        (["adapter_lr=0.1"], "--set adapter_lr: it has no effect, because AGCRN has no adapter"),
        (["lr_milestones=[120]"], "--set lr_milestones: it has no effect"),
    ):
        with pytest.raises(UserError) as caught:
            plan("--models", "AGCRN", "--set", *words)
        assert expected in str(caught.value)


def test_the_refusal_is_one_line_of_the_command(tiny_data, tmp_path, capsys):
    line = refusal(
        run_command.main,
        [*arguments("LSTM.py --set curriculum_every=3"), "--data", tiny_data, "--results", tmp_path],
        capsys,
    )
    assert "curriculum_every=3: it has no effect" in line and not list(Path(tmp_path).iterdir())
