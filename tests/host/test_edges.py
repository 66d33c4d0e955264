"""What the settings of one run must not do to another, and the corners of validation."""

import numpy as np
import pytest
import torch
from basicts.runners.callback import BasicTSCallback
from torch.optim.lr_scheduler import ReduceLROnPlateau

from stlora_ext.errors import UserError
from stlora_ext.host.launcher import launch_evaluation

from .toy import our_config, run_ours, write_world


class StopAt(BasicTSCallback):
    """Asks the run to stop at the end of an epoch."""

    def __init__(self, last: int) -> None:
        self.last = last

    def on_epoch_end(self, runner, epoch, step):
        if epoch == self.last:
            runner.should_training_stop = True


class Keep(BasicTSCallback):
    """Keeps the learning rate of each epoch."""

    rates: list = []

    def on_epoch_start(self, runner, epoch):
        Keep.rates.append(runner.optimizer.param_groups[0]["lr"])


def test_the_validation_interval_is_part_of_the_configuration(world, tmp_path):
    """It decides which epoch is best and when patience runs out."""
    hashes = {our_config(world, tmp_path, val_interval=interval).md5 for interval in (1, 5)}
    assert len(hashes) == 2


def test_a_checkpoint_of_another_configuration_is_not_resumed(world, tmp_path):
    run_ours(world, tmp_path / "run", num_epochs=1)
    with pytest.raises(UserError, match=r"last\.pt is of another configuration"):
        run_ours(world, tmp_path / "run", num_epochs=2)


@pytest.mark.parametrize(
    "setting",
    [
        {"loss": "MSE"},
        {"rescale": False},
        {"null_to_num": 1.0},
        {"ckpt_save_strategy": 5},
        {"best_metric": "max"},
        {"target_metric": "loss"},
    ],
)
def test_a_setting_that_would_have_no_effect_is_refused(setting, world, tmp_path):
    with pytest.raises(
        UserError, match=next(iter(setting.values())) if "target_metric" in setting else next(iter(setting))
    ):
        our_config(world, tmp_path, **setting)


def test_without_shuffling_the_windows_come_as_they_lie(world, tmp_path):
    run = run_ours(world, tmp_path, num_epochs=1, train_data_shuffle=False)
    batches = run.train_data_loader
    assert torch.equal(next(iter(batches))["inputs"], batches.windows(torch.arange(batches.batch_size))["inputs"])


def test_a_run_stopped_between_validations_is_validated_and_tested(world, tmp_path):
    run = run_ours(world, tmp_path, num_epochs=9, val_interval=5, callbacks=[StopAt(3)])
    assert run.best_epoch == 3 and len(run.history) == 3 and run.test_result["average"]["MAE"] > 0


def test_a_plateau_schedule_steps_in_validated_epochs_alone(world, tmp_path):
    Keep.rates = []
    run_ours(
        world,
        tmp_path,
        num_epochs=7,
        val_interval=2,
        callbacks=[Keep()],
        lr_scheduler=ReduceLROnPlateau,
        lr_scheduler_params={"patience": 0, "threshold": 0.99, "factor": 0.5},
    )
    first = Keep.rates[0]
    assert Keep.rates == [first, first, first, first, first / 2, first / 2, first / 4]


def test_a_split_without_a_reading_is_refused(world, tmp_path):
    for split in ("val", "test"):
        folder = write_world(tmp_path / split)
        values = np.load(folder / f"{split}_data.npy")
        np.save(folder / f"{split}_data.npy", np.zeros_like(values))
        with pytest.raises(UserError, match="holds no reading to compare a forecast with"):
            run_ours(folder, tmp_path / f"run-{split}", num_epochs=1)


def test_a_horizon_beyond_the_forecast_is_refused_before_training(world, tmp_path):
    with pytest.raises(UserError, match=r"eval_horizons=\[9\]: the forecast has 3 steps"):
        our_config(world, tmp_path, eval_horizons=[9])


def test_a_foreign_checkpoint_is_refused_by_what_it_lacks(world, tmp_path):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "foreign.pt")
    with pytest.raises(UserError, match=r"foreign\.pt holds no 'model_state_dict'"):
        run_ours(world, tmp_path / "run", finetune_from=str(tmp_path / "foreign.pt"))
    with pytest.raises(UserError, match=r"foreign\.pt holds no 'model_state_dict'"):
        launch_evaluation(our_config(world, tmp_path / "run"), str(tmp_path / "foreign.pt"))


def test_the_best_checkpoint_holds_the_curve_up_to_its_own_epoch(world, tmp_path):
    run = run_ours(world, tmp_path, num_epochs=3)
    saved = torch.load(run.best_path, weights_only=True)
    assert [entry["epoch"] for entry in saved["history"]] == list(range(1, saved["epoch"] + 1))
    assert saved["history"][-1]["val"]["MAE"] == saved["best_metrics"]["val/MAE"]
