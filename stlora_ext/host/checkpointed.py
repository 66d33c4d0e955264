"""The part of the runner that writes and reads its checkpoints."""

import inspect
from pathlib import Path
from typing import Any

from basicts.runners import BasicTSRunner
from torch import nn

from stlora_ext.errors import UserError
from stlora_ext.host.checkpoint import load_checkpoint, save_checkpoint
from stlora_ext.host.progress_files import BEST, LAST, identity
from stlora_ext.host.randomness import rng_state, set_rng_state
from stlora_ext.weights import bare_state_dict, load_weights


class CheckpointedRunner(BasicTSRunner):
    """BasicTSRunner with two checkpoints, each whole or absent: ``last.pt``, everything that training depends on after
    its last epoch, and ``best.pt``, the weights with the best validation error.
    """

    model: nn.Module

    @property
    def last_path(self) -> Path:
        """The checkpoint that an interrupted run goes on from."""
        return self.run_dir / LAST

    @property
    def best_path(self) -> Path:
        """The checkpoint with the best validation error."""
        return self.run_dir / BEST

    def _save_best(self, value: float | None) -> None:
        self.best_metrics[f"val/{self.target_metric}"] = value
        save_checkpoint(
            {
                "epoch": self.epoch,
                "model_state_dict": bare_state_dict(self.model),
                "scaler_stats": self.scaler.stats,
                "best_metrics": self.best_metrics,
                "history": self.history,
                **identity(self.cfg),
            },
            self.best_path,
        )

    def _save_model(self, epoch: int) -> None:
        save_checkpoint(
            {
                "epoch": epoch,
                "stopped": self.should_training_stop,
                "model_state_dict": bare_state_dict(self.model),
                "optim_state_dict": self.optimizer.state_dict(),
                "scheduler_state_dict": self.lr_scheduler.state_dict() if self.lr_scheduler is not None else None,
                "callbacks": [_plain_state(callback) for callback in self.callback_handler.callbacks],
                "rng": rng_state(),
                "scaler_stats": self.scaler.stats,
                "best_metrics": self.best_metrics,
                "history": self.history,
                **identity(self.cfg),
            },
            self.last_path,
        )

    def _load_model_resume(self, strict: bool = True) -> None:
        """Restore everything that training depends on from ``last.pt``, if it is there; ``train`` has checked it."""
        if not self.last_path.exists():
            return
        checkpoint = load_checkpoint(self.last_path, self.device, ("model_state_dict", "optim_state_dict"))
        if checkpoint["best_metrics"] and not self.best_path.exists():
            raise UserError(
                f"checkpoint {self.best_path} is gone, which {self.last_path.name} beside it goes on from: "
                f"put it back, or delete {self.last_path.name} too to start this run again"
            )
        load_weights(self.model, checkpoint["model_state_dict"], self.last_path)
        self.optimizer.load_state_dict(checkpoint["optim_state_dict"])
        if self.lr_scheduler is not None:
            self.lr_scheduler.load_state_dict(checkpoint["scheduler_state_dict"])
        for callback, state in zip(self.callback_handler.callbacks, checkpoint["callbacks"], strict=True):
            vars(callback).update(state)
        self.start_epoch = self.epoch = checkpoint["epoch"]
        self.should_training_stop = checkpoint["stopped"]
        self.best_metrics, self.history = checkpoint["best_metrics"], checkpoint["history"]
        set_rng_state(checkpoint["rng"])
        self.logger.info("resumed after epoch %d", self.start_epoch)

    def _load_model(self, ckpt_path: str | None = None, strict: bool = True) -> None:
        """Load the weights of another run; what doesn't match is an error, or, unless strict, is told."""
        path = Path(ckpt_path or self.best_path)
        missing, unexpected = load_weights(
            self.model, load_checkpoint(path, self.device)["model_state_dict"], path, strict
        )
        for what, names in (("kept as initialised", missing), ("in the checkpoint only", unexpected)):
            if names:
                self.logger.warning("%s: %s: %s", path, what, ", ".join(names))

    def _refuse_other_data(self, checkpoint: dict[str, Any], path: Path) -> None:
        if checkpoint.get("data_fingerprint") != self.cfg.data_fingerprint:
            raise UserError(
                f"checkpoint {path} was trained on other data ({checkpoint.get('data_fingerprint')}, now "
                f"{self.cfg.data_fingerprint}): prepare the earlier data again, or repeat the run with "
                "--force"
            )


def _plain_state(callback: Any) -> dict[str, Any]:
    """The numbers, flags and texts a callback has come to hold, such as early stopping's counter, but for what it
    was built with."""
    given = inspect.signature(type(callback)).parameters
    return {
        name: value
        for name, value in vars(callback).items()
        if name not in given and (value is None or isinstance(value, (bool, int, float, str)))
    }
