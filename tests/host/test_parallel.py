"""Steps in parts and in two processes, which gloo connects on the CPU: they add up to those of one process."""

import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest
import torch
from basicts.runners.callback import BasicTSCallback, EarlyStopping
from torch.optim.lr_scheduler import ReduceLROnPlateau

from stlora_ext.errors import UserError
from stlora_ext.host.curriculum import HorizonCurriculum
from stlora_ext.host.devices import use_device
from stlora_ext.host.launcher import launch_training
from stlora_ext.host.logs import close_run_log
from stlora_ext.host.losses import AuxiliaryLoss
from stlora_ext.host.parallel import helped
from stlora_ext.host.processes import Processes
from stlora_ext.host.runner import HostRunner
from stlora_ext.host.split_steps import pieces_of
from tests.support.commands import ROOT

from . import killed_together
from .killed_together import TWO, together
from .sums import ROWS_DROPPED, TRAINED, AllModels, apart, gradients
from .toy import Fragile, Interrupt, Interrupted, our_config, run_ours, same, weights, write_world

EXACT = 1e-6
BATCH_NORMS = ("GWNet", "D2STGNN")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllModels]:
    """All models trained by two processes, of which this is one."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("two")
    cfg = our_config(write_world(folder / "data"), folder)
    with helped(cfg, AllModels, TWO) as connect:  # type: ignore[arg-type]
        run = AllModels(cfg)
        run.processes = connect(run.device)
        run.train()
    yield run


@pytest.mark.parametrize("name", TRAINED)
def test_two_processes_compute_the_gradients_of_one(two, name):
    """Targets are missing, more of them in one share; a batch of one window leaves a process without any."""
    assert apart(gradients(name), two.told[name]) < EXACT


@pytest.mark.parametrize("parts", [2, 3])
@pytest.mark.parametrize("name", [name for name in TRAINED if not name.startswith(BATCH_NORMS)])
def test_parts_compute_the_gradients_of_the_whole_batch(name, parts):
    assert apart(gradients(name), gradients(name, Processes(), parts)) < EXACT


def test_processes_parts_and_a_curriculum_go_together(two):
    assert apart(gradients("STAE+", covered=7), two.in_parts) < EXACT
    assert apart(gradients("STAE+"), two.in_parts) > EXACT


def test_all_processes_drop_the_same_rows_of_the_adapter(two):
    """A whole batch has the rows of one draw."""
    assert apart(gradients("LSTM+", **ROWS_DROPPED), two.rows_dropped) < EXACT
    assert apart(gradients("LSTM+"), two.rows_dropped) > EXACT


def test_every_process_draws_its_own_dropout_and_the_same_again(world, tmp_path):
    use_device("")

    def drawn(rank: int, epoch: int) -> float:
        runner = HostRunner(our_config(world, tmp_path, process=rank))
        runner.processes = Processes(rank, 3)
        runner.on_epoch_start(epoch)
        close_run_log(runner.logger)
        return float(torch.rand(()))

    assert len({drawn(rank, epoch) for rank in range(3) for epoch in (1, 2)} | {drawn(2, 2)}) == 5  # 0 goes on


@pytest.mark.parametrize("windows", [1, 2, 3, 5, 64])
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("parts", [1, 2, 7])
def test_pieces_are_the_batch_in_order_and_as_many_in_every_process(windows, count, parts):
    pieces = [pieces_of(windows, rank, count, parts) for rank in range(count)]
    assert len({len(own) for own in pieces}) == 1
    assert [window for own in pieces for piece in own for window in range(windows)[piece]] == list(range(windows))
    assert count > 1 or all(piece.start < piece.stop for piece in pieces[0])


CHANGING = {
    "num_epochs": 8,
    "train_batch_size": 53,  # 160 windows: a batch of one is left
    "optimizer_params": {"lr": 0.3, "weight_decay": 0.0},
    "lr_scheduler": ReduceLROnPlateau,
    "lr_scheduler_params": {"patience": 0, "threshold": 0.5},
}


def changing() -> list[BasicTSCallback]:
    return [EarlyStopping(3), HorizonCurriculum(1, 1)]


def test_a_run_in_two_processes_is_that_of_one(world, tmp_path):
    """Curriculum, early stopping and a schedule that the validation decides; one process writes."""
    one = run_ours(world, tmp_path / "one", callbacks=changing(), **CHANGING)
    other = launch_training(our_config(world, tmp_path / "two", callbacks=changing(), **CHANGING), devices=TWO)
    assert 3 < len(one.history) < 8 and len({epoch["lr"] for epoch in one.history}) > 1
    for mine, theirs in zip(one.history, other.history, strict=True):
        assert (mine["epoch"], mine["lr"]) == (theirs["epoch"], theirs["lr"])
        assert mine["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
        assert mine["val"]["MAE"] == pytest.approx(theirs["val"]["MAE"], rel=1e-5)
    written = [sorted(p.name for p in (tmp_path / folder).iterdir()) for folder in ("one", "two")]
    assert written[0] == written[1]
    logs = [(tmp_path / folder / "train.log").read_text().count("\n") for folder in ("one", "two")]
    assert logs[0] == logs[1]


def test_a_run_in_parts_is_that_of_whole_batches(world, tmp_path):
    one = run_ours(world, tmp_path / "one", callbacks=changing(), **CHANGING)
    other = run_ours(world, tmp_path / "parts", callbacks=changing(), parts=3, **CHANGING)
    assert other.cfg.md5 == one.cfg.md5
    assert [epoch["loss"] for epoch in one.history] == pytest.approx([epoch["loss"] for epoch in other.history], 1e-5)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_the_run_in_one_line_and_the_same_run_goes_on(world, tmp_path, rank):
    """With dropout, too, it goes on to the weights of a run that nothing interrupted, to the bit."""
    asked = tmp_path / f"kill{rank}"
    asked.touch()
    killed = subprocess.run(
        [sys.executable, "-c", f"from {killed_together.__name__} import main; main({str(tmp_path)!r}, {rank})"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = [line for line in killed.stderr.splitlines() if " epoch " not in line]
    if rank == 0:
        assert killed.returncode == -9 and not lines
    else:
        assert killed.returncode == 1 and len(lines) == 1
        assert lines[0].startswith("error: process 2 of the 2 that train this model: killed by SIGKILL")
    left = killed_together.read(asked)
    assert left
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in left):
        time.sleep(0.05)  # pytest's own limit ends it otherwise
    resumed = together(tmp_path, rank)
    assert resumed.start_epoch == 1 and len(resumed.history) == 3
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "data").symlink_to(tmp_path / "data")
    if rank == 1:  # once is enough
        assert same(weights(resumed), weights(together(tmp_path / "whole", 1)))


def test_a_run_goes_on_with_another_number_of_processes(world, tmp_path):
    whole = run_ours(world, tmp_path / "whole", num_epochs=3)
    with pytest.raises(Interrupted):
        launch_training(our_config(world, tmp_path / "run", callbacks=[Interrupt(at_step=8)], num_epochs=3))
    resumed = launch_training(our_config(world, tmp_path / "run", callbacks=[Interrupt()], num_epochs=3), devices=TWO)
    assert resumed.start_epoch == 1
    assert resumed.test_result["average"]["MAE"] == pytest.approx(whole.test_result["average"]["MAE"], rel=1e-5)


def test_a_loss_that_is_no_number_is_one_line_whichever_process_meets_it(tmp_path):
    world = write_world(tmp_path / "data", spike_in="train")
    messages = []
    for devices in ((None,), TWO):
        cfg = our_config(world, tmp_path / "run", model=Fragile, model_settings={"limit": 10.0})
        with pytest.raises(UserError, match="the training loss became nan in epoch 1") as error:
            launch_training(cfg, devices=devices)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_what_cannot_be_split_is_refused_by_the_host_too(world, tmp_path):
    class Here(BasicTSCallback):
        pass

    with pytest.raises(UserError, match="is trained on a loss of its own, AuxiliaryLoss, which is no sum"):
        run_ours(world, tmp_path / "loss", callbacks=[AuxiliaryLoss()], parts=2)
    with pytest.raises(UserError, match="the model is trained in recorded steps, which add no gradients"):
        run_ours(world, tmp_path / "recorded", cuda_graphs=True, parts=2)
    with pytest.raises(UserError, match="can't be handed to another process .*define its classes at the top"):
        launch_training(our_config(world, tmp_path / "local", callbacks=[Here()]), devices=TWO)
