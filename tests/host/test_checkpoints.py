"""U2, U3 and F1: checkpoints are whole, tidy, safe to load, and never loaded in part without a word."""

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from basicts.runners.callback import EarlyStopping
from torch import nn

from stlora_ext.errors import UserError
from stlora_ext.host.checkpoint import load_checkpoint, save_checkpoint
from stlora_ext.host.launcher import launch_evaluation
from stlora_ext.weights import bare_state_dict, load_weights
from tests.support.commands import ROOT

from .killing import MOMENTS, NUM_EPOCHS
from .toy import Adapted, Linear, LinearConfig, Watch, our_config, run_ours, run_stock, same, weights

NOT_TRAINED = {"optimizer_params": {"lr": 0.0, "weight_decay": 0.0}, "num_epochs": 1}


# ---- U2 ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> Path:
    """A folder with its data and, per launcher and moment, a run that was killed in its second epoch."""
    folder, environment = tmp_path_factory.mktemp("killed"), {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-m", "tests.host.killing", str(folder)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_while_saving_costs_stock_the_run(killed, moment):
    """U2: stock renames the last checkpoint away and then writes the next in place: it starts over, or never starts."""
    run_dir, again = killed / "run_stock" / moment, Watch()
    assert list(run_dir.rglob("Linear_1.pt.bak"))
    if moment == "before a byte":
        run_stock(killed / "data", run_dir, again, num_epochs=NUM_EPOCHS)
        assert again.epochs == [1, 2, 3, 4]
    else:
        for _ in range(2):  # at every relaunch
            with pytest.raises(EOFError if moment == "empty file" else RuntimeError):
                run_stock(killed / "data", run_dir, again, num_epochs=NUM_EPOCHS)
        assert again.epochs == []


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_while_saving_costs_ours_one_epoch(killed, tmp_path, moment):
    """U2: whenever the process dies, the last whole state is there, and the run ends as if nothing had happened."""
    run_dir, again = killed / "run_ours" / moment, Watch()
    assert load_checkpoint(run_dir / "last.pt")["epoch"] == 1
    resumed = run_ours(killed / "data", run_dir, again, num_epochs=NUM_EPOCHS)
    assert again.epochs == [2, 3, 4]
    whole = run_ours(killed / "data", tmp_path, num_epochs=NUM_EPOCHS)
    assert same(weights(whole), weights(resumed))
    assert whole.test_result == resumed.test_result


@pytest.mark.parametrize("name", ["last.pt", "best.pt"])
def test_a_damaged_checkpoint_is_named_with_the_remedy(world, tmp_path, name):
    """U2: a file damaged by something else is not silently ignored; deleting it makes the run start again."""
    run_ours(world, tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(UserError, match=rf"checkpoint .*{re.escape(name)} is damaged .*delete it"):
        run_ours(world, tmp_path)


def test_every_truncation_is_a_user_error(tmp_path):
    """U2: at whatever byte a file ends, the error is one line naming it."""
    path, whole = tmp_path / "cut.pt", tmp_path / "whole.pt"
    save_checkpoint({"epoch": 1, "model_state_dict": Linear(LinearConfig()).state_dict()}, whole)
    content = whole.read_bytes()
    for length in [*range(12), *range(12, len(content), 53), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(UserError, match=r"cut\.pt is damaged") as error:
            load_checkpoint(path)
        assert "\n" not in str(error.value)


class Payload:
    """An object whose unpickling runs a command."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self):
        return os.mkdir, (str(self.proof),)


@pytest.mark.parametrize("writer", ["torch.save", "legacy torch.save", "pickle"])
def test_a_checkpoint_with_code_is_refused_and_the_code_not_run(tmp_path, writer):
    """U2: a checkpoint from elsewhere is data; loading it never executes what it holds."""
    path, proof = tmp_path / "evil.pt", tmp_path / "proof"
    if writer == "pickle":
        path.write_bytes(pickle.dumps({"model_state_dict": Payload(proof)}, protocol=2))
    else:
        torch.save({"model_state_dict": Payload(proof)}, path, _use_new_zipfile_serialization=writer == "torch.save")
    with pytest.raises(UserError, match=r"evil\.pt is damaged"):
        load_checkpoint(path)
    assert not proof.exists()


def test_what_is_no_dictionary_or_not_there_is_refused(tmp_path):
    """U2: a file of something else, or none, is named."""
    torch.save([torch.zeros(2)], tmp_path / "list.pt")
    with pytest.raises(UserError, match=r"list\.pt holds no 'model_state_dict'"):
        load_checkpoint(tmp_path / "list.pt")
    with pytest.raises(UserError, match=r"none\.pt does not exist"):
        load_checkpoint(tmp_path / "none.pt")


def test_a_failed_save_keeps_the_earlier_checkpoint(tmp_path):
    """U2: what cannot be saved leaves the file as it was and nothing beside it."""
    path = tmp_path / "last.pt"
    save_checkpoint({"model_state_dict": {}, "epoch": 1}, path)
    with pytest.raises((AttributeError, pickle.PicklingError)):
        save_checkpoint({"epoch": lambda: 2}, path)
    assert load_checkpoint(path)["epoch"] == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_of_other_data_is_refused(world, tmp_path):
    """Neither resuming nor evaluating mixes two data sets."""
    run_ours(world, tmp_path, data_fingerprint="sha256:a")
    with pytest.raises(UserError, match=r"last\.pt was made on other data \(sha256:a, this is sha256:b\)"):
        run_ours(world, tmp_path, data_fingerprint="sha256:b")
    with pytest.raises(UserError, match=r"best\.pt was trained on other data"):
        launch_evaluation(our_config(world, tmp_path, data_fingerprint="sha256:b"), str(tmp_path / "best.pt"))


# ---- U3 ------------------------------------------------------------------------------------------------


def test_stock_leaves_a_backup_of_every_epoch_and_ours_two_checkpoints(world, tmp_path):
    """U3: a run that stops early leaves all its .bak files on stock."""
    stuck = {"optimizer_params": {"lr": 0.0, "weight_decay": 0.0}, "num_epochs": 8}
    stock = run_stock(world, tmp_path / "stock", callbacks=[EarlyStopping(3)], **stuck)
    assert len(list(Path(stock.ckpt_save_dir).glob("*.bak"))) == 3
    run_ours(world, tmp_path / "ours", callbacks=[EarlyStopping(3)], **stuck)
    assert {path.name for path in (tmp_path / "ours").iterdir()} == {
        "best.pt",
        "last.pt",
        "cfg.json",
        "test_metrics.json",
        "train.log",
        "tensorboard",
    }


# ---- F1 ------------------------------------------------------------------------------------------------


@pytest.fixture
def trained(tmp_path) -> tuple[dict[str, torch.Tensor], Path]:
    """Weights that no initialisation gives, and the folder to save them in."""
    return {"linear.weight": torch.arange(18.0).view(3, 6), "linear.bias": torch.tensor([7.0, 8.0, 9.0])}, tmp_path


def wrapped(state: dict[str, torch.Tensor], prefix: str, path: Path) -> str:
    """Save ``state`` under the names it has when the model is wrapped."""
    torch.save({"model_state_dict": {prefix + name: tensor for name, tensor in state.items()}}, path)
    return str(path)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_a_wrapped_checkpoint_is_ignored_by_stock_and_loaded_by_ours(world, trained, prefix):
    """F1: with strict_load=False stock loads nothing of a DDP or compiled model's weights, and says nothing."""
    state, folder = trained
    source = wrapped(state, prefix, folder / "wrapped.pt")
    options = {"finetune_from": source, "strict_load": False, **NOT_TRAINED}
    untouched = weights(run_stock(world, folder / "scratch", **NOT_TRAINED))
    assert same(untouched, weights(run_stock(world, folder / "stock", **options)))
    assert same(state, weights(run_ours(world, folder / "ours", **options)))
    assert same(state, weights(run_ours(world, folder / "strict", finetune_from=source, **NOT_TRAINED)))


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_checkpoint_of_a_part_loads_that_part(world, trained, prefix):
    """F1: with strict_load=False every weight that matches is loaded and the others keep their start."""
    state, folder = trained
    source = wrapped(state, prefix, folder / "part.pt")
    scratch = weights(run_ours(world, folder / "scratch", model=Adapted, **NOT_TRAINED))
    found = weights(
        run_ours(world, folder / "ours", model=Adapted, finetune_from=source, strict_load=False, **NOT_TRAINED)
    )
    assert same(found, {**scratch, **state})
    with pytest.raises(UserError, match=r"part\.pt does not fit the model: missing adapter\.bias, adapter\.weight"):
        run_ours(world, folder / "strict", model=Adapted, finetune_from=source, **NOT_TRAINED)


def test_a_checkpoint_of_which_nothing_matches_is_refused(world, trained):
    """F1: loading nothing is an error even where parts are allowed."""
    state, folder = trained
    source = wrapped(state, "encoder.", folder / "other.pt")
    with pytest.raises(
        UserError,
        match=r"other\.pt does not fit the model: missing linear\.bias, linear\.weight, "
        r"unexpected encoder\.linear\.bias",
    ):
        run_ours(world, folder / "ours", finetune_from=source, strict_load=False, **NOT_TRAINED)


def test_a_weight_of_another_shape_is_named(world, trained):
    """F1: a checkpoint of another window length does not fit, strict or not."""
    state, folder = trained
    source = wrapped({**state, "linear.weight": torch.zeros(12, 12)}, "", folder / "long.pt")
    with pytest.raises(UserError, match=r"'linear\.weight' has shape \(12, 12\), the model expects \(3, 6\)"):
        run_ours(world, folder / "ours", finetune_from=source, strict_load=False, **NOT_TRAINED)


@pytest.mark.parametrize("wrapper", ["module", "_orig_mod"])
def test_a_wrapped_model_loads_and_saves_bare_names(trained, wrapper):
    """F1: wrapping on the model's side makes no difference either."""
    state, folder = trained
    model = nn.Module()
    model.add_module(wrapper, Linear(LinearConfig()))
    load_weights(model, state, folder)
    assert same(bare_state_dict(model), state)
