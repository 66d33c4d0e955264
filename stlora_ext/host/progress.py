"""What a person sees of a long run: a bar on a terminal, elsewhere a line every 30 s, and how long it will take."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from time import monotonic

import setproctitle
from tqdm import tqdm

from stlora_ext.digits import number

EVERY = 30.0  # seconds between lines where no bar is drawn
_LOOK, _STEPS = 10.0, 20  # seconds or steps after which the whole command's duration is told
_EVALUATION = 0.4  # of the time of training on as many windows: the forward pass alone
_UNSEEN = 1.0  # seconds that pass before a bar beside the epochs' is drawn


def duration(seconds: float) -> str:
    """Return "1:02:03" or "02:03"."""
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60:02d}:{rest % 60:02d}"


@dataclass
class Outlook:
    """What a whole command takes: how long, which the user is told once, and how much memory, once per kind of run.

    Attributes:
        runs: Runs that the command has to do.
        told: Whether the user has been told how long.
        kinds: Of whose memory the user has been told.
    """

    runs: int
    told: bool = False
    kinds: set[str] = field(default_factory=set)

    def tell(self, seconds: float, how: str) -> None:
        """Print how long the command takes, and how that is known."""
        self.told = True
        tqdm.write(
            f"about {duration(seconds)} for the whole command: {self.runs} run{'s' * (self.runs != 1)}{how}",
            file=sys.stderr,
        )

    def tell_memory(self, kind: str, line: str) -> None:
        """Print ``line``, what a kind of run needs, unless that has been told."""
        if kind not in self.kinds:
            self.kinds.add(kind)
            tqdm.write(line, file=sys.stderr)


class Progress:
    """Progress of one run on standard error.

    Args:
        title: What process title and lines begin with, "data set/model seed 0".
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.outlook: Outlook | None = None  # the whole command's
        self._made = self._told = monotonic()
        self._after = ""  # of the last epoch, for the bar
        self.begin(1, 1, 1)

    def begin(self, num_epochs: int, first_epoch: int, steps: int, evaluated: float = 0.0) -> None:
        """Begin to train.

        Args:
            num_epochs: Epochs planned.
            first_epoch: Epoch that this process begins with.
            steps: Training steps of an epoch.
            evaluated: Windows of a validation, as a share of an epoch's.
        """
        self.num_epochs, self.first_epoch = num_epochs, first_epoch
        self._steps, self._work = steps, steps * (1 + evaluated * _EVALUATION)
        self._done, self._step = 0, 0  # epochs, and steps of the running one
        self._begun = self._warm = monotonic()

    def over(
        self, items: Iterable, what: str, total: int, initial: int = 0, unit: str = "batch", whole: bool = False
    ) -> Iterator:
        """Yield ``items``, showing how many of them are done.

        Args:
            items: What is gone through.
            what: What that is, in words.
            total: How many there are, with those done before.
            initial: Those.
            unit: What one of them is.
            whole: Whether this is all that the run does.
        """
        bar = tqdm(
            items,
            f"{self.title}: {what}",
            total,
            initial=initial,
            unit=unit,
            leave=False,
            disable=None,
            file=sys.stderr,
            dynamic_ncols=True,
            delay=_UNSEEN,
        )
        begun, warm = monotonic(), 0.0
        for done, item in enumerate(bar, start=1):
            yield item
            now = monotonic()
            if done == 1:
                warm = now
            each = (now - warm) / (done - 1) if done > 1 else now - begun  # the first one waits for what it needs
            enough = done > _STEPS or (done > 1 and now - warm >= _LOOK) or initial + done == total
            outlook = self._untold()
            if whole and enough and outlook is not None:
                outlook.tell(each * (total - initial - done + (outlook.runs - 1) * total), "")
            if bar.disable and initial + done < total and self._due():
                self._print(
                    f"{self.title}: {what}, {unit} {initial + done}/{total}, "
                    f"left {duration(each * (total - initial - done))}"
                )

    def epoch(self, batches: Iterable, epoch: int) -> tqdm:
        """Return ``batches`` wrapped in the bar of ``epoch``; drawn on a terminal only."""
        setproctitle.setproctitle(f"{self.title} epoch {epoch}/{self.num_epochs}")
        self._done, self._step = epoch - self.first_epoch, 0
        self.bar = tqdm(
            batches,
            desc=f"{self.title} epoch {epoch}/{self.num_epochs}",
            unit="batch",
            leave=False,
            disable=None,
            file=sys.stderr,
            dynamic_ncols=True,
            mininterval=0.5,
        )
        return self.bar

    def step(self, loss: Callable[[], float], free: bool) -> None:
        """Tell of a training step that is over.

        Args:
            loss: Returns the epoch's training loss so far; the device has then done all steps.
            free: Whether that holds nothing up, so that the bar may show it at every step.
        """
        self._step += 1
        outlook = self._untold()
        if self._done == 0 and self._step == 1:
            if outlook is not None:
                loss()
            self._warm = monotonic()
        if outlook is not None:
            self._guess(outlook, loss)
        if self.bar.disable:
            if self._due():
                first = self._done == 0 and self._step == 1 < self._steps  # it may have compiled
                left = "unknown" if first else duration(self._left())
                self._print(
                    f"{self.title} epoch {self.first_epoch + self._done}/{self.num_epochs}  batch {self._step}/"
                    f"{self._steps}  loss {number(loss(), 3)}  left {left}"
                )
        elif free:
            self.bar.set_postfix_str(f"loss {number(loss(), 3)}{self._after}", refresh=False)

    def epoch_done(self, epoch: int, loss: float, val_mae: float | None, best: float | None, seconds: float) -> None:
        """Print the line of a finished epoch."""
        self._done, self._step = epoch - self.first_epoch + 1, 0
        left = duration(self._left())
        self._after = ("" if best is None else f", best val MAE {number(best, 3)}") + f", run left {left}"
        validation = "" if val_mae is None else f"  val MAE {number(val_mae, 3)} (best {number(best, 3)})"
        self._print(
            f"{self.title} epoch {epoch}/{self.num_epochs}  loss {number(loss, 3)}{validation}  "
            f"{seconds:.1f} s, left {left}"
        )

    def _left(self) -> float:
        """Return the seconds until the last epoch is over, by those since the first step, which is slower."""
        done = self._done + self._step / self._work
        timed = done - 1 / self._work
        each = (monotonic() - self._warm) / timed if timed > 0 else (monotonic() - self._begun) / done
        return each * max(self.num_epochs - self.first_epoch + 1 - done, 0.0)

    def _untold(self) -> Outlook | None:
        return None if self.outlook is None or self.outlook.told else self.outlook

    def _guess(self, outlook: Outlook, loss: Callable[[], float]) -> None:
        """Tell how long the command takes, by a few steps of the first epoch."""
        if self._step < self._steps and (
            self._step == 1 or (self._step <= _STEPS and monotonic() - self._warm < _LOOK)
        ):
            return
        loss()
        since, steps = (self._warm, self._step - 1) if self._step > 1 else (self._begun, 1)
        epoch = (monotonic() - since) / steps * self._work
        before = self._begun - self._made  # a fit, a backbone's forecasts
        others = (outlook.runs - 1) * (before + epoch * self.num_epochs)
        epochs = f"{self.num_epochs} epoch{'s' * (self.num_epochs != 1)} at most"
        outlook.tell(
            epoch * (self.num_epochs - self.first_epoch + 1) + others,
            f" x {epochs} (timed over {steps} step{'s' * (steps > 1)})",
        )

    def _due(self) -> bool:
        return monotonic() - self._told >= EVERY

    def _print(self, line: str) -> None:
        self._told = monotonic()
        tqdm.write(line, file=sys.stderr)
