"""What a person sees of a long run: a bar per epoch, a line when it is over, the process title."""

import sys
import time
from collections.abc import Iterable
from typing import Optional

import setproctitle
from tqdm import tqdm

from stlora_ext.digits import number


def duration(seconds: float) -> str:
    """Return "1:02:03" or "02:03"."""
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60:02d}:{rest % 60:02d}"


class Progress:
    """Progress of one training run on standard error.

    Args:
        title: What process title and lines begin with, "data set/model seed 0".
        num_epochs: Epochs planned.
        first_epoch: Epoch that this process begins with.
    """

    def __init__(self, title: str, num_epochs: int, first_epoch: int) -> None:
        self.title, self.num_epochs, self.first_epoch = title, num_epochs, first_epoch
        self.started = time.monotonic()
        self.bar: Optional[tqdm] = None
        self.outlook = ""

    def epoch(self, batches: Iterable, epoch: int) -> tqdm:
        """Return ``batches`` wrapped in the bar of ``epoch``; drawn on a terminal only."""
        setproctitle.setproctitle(f"{self.title} epoch {epoch}/{self.num_epochs}")
        self.bar = tqdm(batches, desc=f"{self.title} epoch {epoch}/{self.num_epochs}", unit="batch", leave=False,
                        disable=None, file=sys.stderr, dynamic_ncols=True, mininterval=0.5)
        return self.bar

    def loss(self, value: float) -> None:
        """Show in the bar the running training loss, the best validation error and the time left for the run."""
        if not self.bar.disable:
            self.bar.set_postfix_str(f"loss {number(value, 3)}{self.outlook}", refresh=False)

    def epoch_done(self, epoch: int, loss: float, val_mae: Optional[float], best: Optional[float],
                   seconds: float) -> None:
        """Print the line of a finished epoch."""
        done = epoch - self.first_epoch + 1
        left = (time.monotonic() - self.started) / done * (self.num_epochs - epoch)
        self.outlook = ("" if best is None else f", best val MAE {number(best, 3)}") + f", run left {duration(left)}"
        validation = "" if val_mae is None else f"  val MAE {number(val_mae, 3)} (best {number(best, 3)})"
        tqdm.write(f"{self.title} epoch {epoch}/{self.num_epochs}  loss {number(loss, 3)}{validation}  "
                   f"{seconds:.1f} s, left {duration(left)}", file=sys.stderr)
