"""Curriculum learning over the horizon, as D2STGNN is trained."""

from typing import Any

from basicts.runners.callback import BasicTSCallback


class HorizonCurriculum(BasicTSCallback):
    """During the warm-up the training loss covers all steps; afterwards ``1 + (epoch - warm_up) // every``, growing.

    Validation always covers all steps.

    Args:
        warm_up: Epochs of warm-up.
        every: Epochs until one more step is covered.
    """

    def __init__(self, warm_up: int, every: int) -> None:
        self.warm_up, self.every = warm_up, every

    def steps(self, epoch: int, output_len: int) -> int:
        """Return how many steps the loss covers in ``epoch``, counted from 1."""
        return output_len if epoch <= self.warm_up else min(1 + (epoch - self.warm_up) // self.every, output_len)

    def on_compute_loss(self, runner: Any, epoch: int, forward_return: dict[str, Any], **_: Any) -> None:
        """Cut the steps that are not covered yet."""
        steps = self.steps(epoch, forward_return["prediction"].shape[1])
        for name in ("prediction", "targets", "targets_mask"):
            forward_return[name] = forward_return[name][:, :steps]
