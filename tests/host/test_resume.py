"""U1 and E1: a run that was interrupted ends like one that was not."""

import pytest
import torch
from basicts.runners.callback import BasicTSCallback, EarlyStopping
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, MultiStepLR, ReduceLROnPlateau

from .toy import Interrupt, Interrupted, WarmupThenDecay, Watch, run_ours, run_stock, same, weights

IN_EPOCH_2 = 8  # the third step of the second epoch
SCHEDULES = {
    "constant": {},
    "MultiStepLR": {"lr_scheduler": MultiStepLR, "lr_scheduler_params": {"milestones": [1, 3], "gamma": 0.5}},
    "CosineAnnealingWarmRestarts": {
        "lr_scheduler": CosineAnnealingWarmRestarts,
        "lr_scheduler_params": {"T_0": 2, "T_mult": 2},
    },
    "SequentialLR": {"lr_scheduler": WarmupThenDecay, "lr_scheduler_params": {}},
}
PLATEAU = {
    "ReduceLROnPlateau": {"lr_scheduler": ReduceLROnPlateau, "lr_scheduler_params": {"patience": 0, "threshold": 0.5}}
}


def settings(schedule: str) -> dict:
    return {"model_settings": {"dropout": 0.3}, "num_epochs": 5, **({**SCHEDULES, **PLATEAU}[schedule])}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_stock_resumes_to_other_weights(world, tmp_path, schedule):
    """U1: stock repeats itself to the bit unless it is interrupted; then dropout and shuffling start over."""
    whole, resumed = Watch(), Watch()
    first = weights(run_stock(world, tmp_path / "whole", whole, callbacks=[Interrupt()], **settings(schedule)))
    again = run_stock(world, tmp_path / "again", callbacks=[Interrupt()], **settings(schedule))
    assert same(first, weights(again))
    with pytest.raises(Interrupted):
        run_stock(world, tmp_path / "resumed", callbacks=[Interrupt(at_step=IN_EPOCH_2)], **settings(schedule))
    second = run_stock(world, tmp_path / "resumed", resumed, callbacks=[Interrupt()], **settings(schedule))
    assert resumed.epochs == [2, 3, 4, 5]
    assert not same(first, weights(second))
    lost = schedule in ("CosineAnnealingWarmRestarts", "SequentialLR")
    assert (resumed.rates != whole.rates[1:]) == lost


@pytest.mark.parametrize("schedule", [*SCHEDULES, *PLATEAU])
@pytest.mark.parametrize(
    "moment",
    [{"at_step": IN_EPOCH_2}, {"at_validation": 2}, {"at_validation": 1}],
    ids=["a step of epoch 2", "the validation of epoch 2", "the first epoch"],
)
def test_ours_resumes_to_the_same_weights(world, tmp_path, schedule, moment):
    """U1: every generator and the schedule are restored, so weights, rates, losses and scores agree to the bit."""
    whole, resumed = Watch(), Watch()
    first = run_ours(world, tmp_path / "whole", whole, callbacks=[Interrupt()], **settings(schedule))
    with pytest.raises(Interrupted):
        run_ours(world, tmp_path / "resumed", callbacks=[Interrupt(**moment)], **settings(schedule))
    second = run_ours(world, tmp_path / "resumed", resumed, callbacks=[Interrupt()], **settings(schedule))
    assert whole.epochs == [1, 2, 3, 4, 5]
    assert resumed.epochs == whole.epochs[0 if moment == {"at_validation": 1} else 1 :]
    assert resumed.rates == whole.rates[-len(resumed.epochs) :]
    assert len(set(whole.rates)) > (0 if schedule == "constant" else 1)
    assert same(weights(first), weights(second))
    for one, other in zip(first.history, second.history, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}
    assert first.test_result == second.test_result


def test_ours_is_unmoved_by_what_else_draws_random_numbers(world, tmp_path):
    """U1: the order of the windows hangs on seed and epoch alone, not on how much was drawn before."""

    class Draw(BasicTSCallback):
        def on_validate_end(self, runner, **kwargs) -> None:
            torch.rand(7)

    one = run_ours(world, tmp_path / "one", num_epochs=4)
    other = run_ours(world, tmp_path / "other", callbacks=[Draw()], num_epochs=4)
    assert same(weights(one), weights(other))
    assert not same(weights(one), weights(run_ours(world, tmp_path / "seed", num_epochs=4, seed=4)))


def test_relaunching_a_finished_run_only_evaluates(world, tmp_path):
    """U1: the scores come back without a step of training."""
    again = Watch()
    first = run_ours(world, tmp_path)
    second = run_ours(world, tmp_path, again)
    assert again.epochs == []
    assert second.test_result == first.test_result
    assert second.history == first.history


def stuck(patience: int) -> dict:
    """Settings of a run that never improves."""
    return {
        "optimizer_params": {"lr": 0.0, "weight_decay": 0.0},
        "num_epochs": 9,
        "callbacks": [EarlyStopping(patience), Interrupt()],
    }


def test_an_early_stopped_run_trains_on_at_relaunch_on_stock_and_stays_stopped_in_ours(world, tmp_path):
    """E1: stock forgets that it had stopped; ours finds the run finished."""
    for run, later in ((run_stock, [4, 5]), (run_ours, [])):
        first, again = Watch(), Watch()
        run(world, tmp_path / run.__name__, first, **stuck(2))
        run(world, tmp_path / run.__name__, again, **stuck(2))
        assert first.epochs == [1, 2, 3]
        assert again.epochs == later


def test_the_early_stopping_count_is_lost_on_stock_and_kept_in_ours(world, tmp_path):
    """E1: two epochs without improvement before an interruption count after it in ours, and not on stock."""
    for run, last in ((run_stock, 6), (run_ours, 4)):
        resumed = Watch()
        interrupted = {**stuck(3), "callbacks": [EarlyStopping(3), Interrupt(at_step=18)]}
        with pytest.raises(Interrupted):
            run(world, tmp_path / run.__name__, **interrupted)
        run(world, tmp_path / run.__name__, resumed, **stuck(3))
        assert resumed.epochs == list(range(4, last + 1))
