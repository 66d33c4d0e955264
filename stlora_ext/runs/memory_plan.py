"""How a run gets by with the memory that is there: training steps in parts, evaluation in smaller batches, or not."""

from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from stlora_ext.config.experiment import Experiment
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError, in_a_line
from stlora_ext.files import read_json
from stlora_ext.host.batch_norm import batch_norms
from stlora_ext.host.free_memory import free_bytes
from stlora_ext.host.progress_files import LAST
from stlora_ext.host.split_steps import unsplittable
from stlora_ext.runs.build import trained_on
from stlora_ext.runs.memory_need import MemoryNeed, memory_need
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.trial import mixes_windows
from stlora_ext.threads import give_back_large_blocks

MARGIN, RESERVE = 1.2, 2**27  # of the estimate, and bytes beside it for libraries, that have to be there
_KEPT = 2.0  # times the estimate that a process may hold which keeps what is freed
_GIB, _MIB = 2**30, 2**20


@dataclass(frozen=True)
class MemoryPlan:
    """How a run gets by.

    Attributes:
        parts: Parts of a training step.
        eval_batch_size: Windows of an evaluation step.
        line: What the user is told.
        needed: Bytes that the run so needs; None: not known.
        tight: Whether freed memory has to be given back at once.
    """

    parts: int
    eval_batch_size: int
    line: str
    needed: int | None = None
    tight: bool = False

    def applied(self, exp: Experiment, options: RunOptions) -> tuple[Experiment, RunOptions]:
        """Have this process run so: return the experiment and the options, of which no key depends on what is new."""
        if self.tight:
            give_back_large_blocks()
        training = replace(exp.training, eval_batch_size=self.eval_batch_size)
        return replace(exp, training=training), replace(options, parts=self.parts)


def memory_plan(
    model: nn.Module, exp: Experiment, meta: Meta, options: RunOptions, work: Path | None = None
) -> MemoryPlan:
    """Estimate what a run needs and fit it into what is there.

    Args:
        model: The model with fresh weights, on the CPU; it isn't touched.
        exp: The settled experiment.
        meta: Its data set.
        options: How it is executed; their ``parts`` win.
        work: Where the run works: one that goes on keeps its parts and batches if they fit.

    Raises:
        UserError: If it doesn't fit, with what would.
    """
    return _Fitting(model, exp, trained_on(exp, meta), options).plan(work)


class _Fitting:
    def __init__(self, model: nn.Module, exp: Experiment, meta: Meta, options: RunOptions) -> None:
        self.model, self.exp, self.meta, self.options = model, exp, meta, options
        self.batch = min(exp.training.batch_size, meta.windows["train"])
        if exp.protocol == "stream":  # draws with replacement
            self.batch = exp.stream.batch_size or exp.training.batch_size
        self.evaluated = min(exp.training.eval_batch_size, max(meta.windows.values()))
        self.processes = len(options.devices)
        self.free = free_bytes(options.device)
        if not options.gpus:
            self.free //= self.processes

    def plan(self, work: Path | None) -> MemoryPlan:
        exp, options = self.exp, self.options
        if exp.protocol == "fitted":
            line = f"memory: not estimated for {exp.model}, which is fitted; {_amount(self.free)} available"
            return MemoryPlan(options.parts or 1, exp.training.eval_batch_size, line)
        begun_parts, begun_eval = _begun(work)
        try:
            need = self._need(exp)
        except UserError:
            raise
        except Exception as error:  # the model may be anybody's; what it can't do, its run says
            line = f"memory: can't be told beforehand ({in_a_line(error)[:120]}); {_amount(self.free)} available"
            return MemoryPlan(options.parts or begun_parts or 1, begun_eval or exp.training.eval_batch_size, line)
        parts = options.parts or self._parts(need, begun_parts)
        size = self._evaluation(need, begun_eval)
        peak = max(self._training(need, parts), need.evaluating(size))
        line = f"memory: about {_amount(peak)} of {_amount(self.free)} available"
        if self.processes > 1:
            line += f" for each of {self.processes} processes"
        if parts > 1:
            line += f", in {parts} parts of {-(-self._share // parts)} windows"
        if size < self.evaluated:
            line += f", evaluated in batches of {size} windows"
        if not self._fits(peak):
            line += f": it may not fit (--parts {parts} was asked for)"
        tight = not options.gpus and _KEPT * peak + RESERVE > self.free
        return MemoryPlan(parts, size if size < self.evaluated else exp.training.eval_batch_size, line, peak, tight)

    def _need(self, exp: Experiment) -> MemoryNeed:
        return memory_need(self.model, exp, self.meta, self.options.device, self.free, self.processes)

    @property
    def _share(self) -> int:
        """The most windows of a batch that a process takes."""
        return -(-self.batch // self.processes)

    def _fits(self, num_bytes: int) -> bool:
        return num_bytes * MARGIN + RESERVE <= self.free

    def _compared(self, num_bytes: int) -> str:
        return (
            f"{_amount(num_bytes)} of memory ({_amount(round(MARGIN * num_bytes) + RESERVE)} with a margin), with "
            f"{_amount(self.free)} available"
        )

    def _training(self, need: MemoryNeed, parts: int) -> int:
        forecasts_only = self.exp.protocol == "stream" and self.exp.arm == "base"
        return 0 if forecasts_only else need.training(self._share, parts)

    def _parts(self, need: MemoryNeed, begun: int | None) -> int:
        """Return the smallest number of parts that fits, or what the run has begun with, if that fits.

        Raises:
            UserError: If none fits, or the model can't be trained in parts.
        """
        for parts in (begun, 1):
            if parts and self._fits(self._training(need, parts)):
                return parts
        undivided = self._undivided()
        if undivided is None:
            for parts in range(2, self.batch // self.processes + 1):
                if self._fits(self._training(need, parts)):
                    return parts
        raise self._refusal(need, undivided)

    def _undivided(self) -> str | None:
        """Return why the model can't be trained in parts; None if it can."""
        if self.options.cuda_graphs:
            return "is trained in recorded steps (--cuda-graphs), which add no gradients"
        reason = unsplittable(self.model, self.exp.backbone.callbacks, 2)
        if reason is None and mixes_windows(getattr(self.model, "backbone", self.model), self.meta):
            return "forecasts a window from the other windows of its batch"
        return reason

    def _refusal(self, need: MemoryNeed, undivided: str | None) -> UserError:
        """Return the refusal of a training that fits in no way, with the remedies that would."""
        exp, option = self.exp, "--set stream.batch_size=" if self.exp.protocol == "stream" else "--batch-size "
        parts = 1 if undivided else max(1, self.batch // self.processes)
        remedies = []
        if undivided:
            least = 2 if batch_norms(self.model) else 1
            sizes = range(self.batch - 1, least * self.processes - 1, -1)
            shares = {size: need.training(-(-size // self.processes)) for size in sizes}
            fitting = next((size for size in sizes if self._fits(shares[size])), None)
            if fitting:
                remedies.append(f"{option}{fitting} (about {_amount(shares[fitting])})")
        if "bf16" in exp.backbone.tested_with and not exp.training.bf16:
            narrow = self._training(self._need(replace(exp, training=replace(exp.training, bf16=True))), 1)
            if self._fits(narrow):
                remedies.append(f"--bf16 (about {_amount(narrow)})")
        remedies += ["free memory", "use a machine with more", f"or try all the same with --parts {parts}"]
        why = f", and {exp.backbone.name} {undivided}, so it can't be trained in parts" if undivided else ""
        how = "" if undivided else " one by one"
        return UserError(
            f"{exp.dataset}/{exp.model}: training on {self.batch} windows a step{how} needs about "
            f"{self._compared(self._training(need, parts))}{why}: " + ", ".join(remedies)
        )

    def _evaluation(self, need: MemoryNeed, begun: int | None) -> int:
        """Return the largest batch of an evaluation that fits, at most the configured one.

        Raises:
            UserError: If none does, or the forecasts depend on the batch.
        """
        configured = self.evaluated
        sizes = (*([begun] if begun and begun < configured else []), *range(configured, 0, -1))
        size = next((size for size in sizes if self._fits(need.evaluating(size))), None)
        if size is None:
            raise UserError(
                f"{self.exp.dataset}/{self.exp.model}: forecasting a single window beside the data needs about "
                f"{self._compared(need.evaluating(1))}: free memory, or use a machine with more"
            )
        if (
            size < configured
            and size != begun
            and mixes_windows(getattr(self.model, "backbone", self.model), self.meta)
        ):
            raise UserError(
                f"{self.exp.dataset}/{self.exp.model}: forecasting {configured} windows together needs about "
                f"{self._compared(need.evaluating(configured))}, and fewer change the forecasts of this model: "
                f"--set eval_batch_size={size} if you accept that"
            )
        return size


def _begun(work: Path | None) -> tuple[int | None, int | None]:
    """Return the parts and the evaluation's batch size that an interrupted run has begun with."""
    if work is None or not (work / LAST).exists():
        return None, None
    try:
        settings = read_json(work / "cfg.json")
        parts, size = settings.get("parts"), settings.get("val_batch_size")
    except (OSError, UserError, AttributeError):  # written anew in a moment
        return None, None
    return (parts if type(parts) is int else None), (size if type(size) is int else None)


def _amount(num_bytes: int) -> str:
    return f"{num_bytes / _GIB:.1f} GiB" if num_bytes >= _GIB else f"{max(1, round(num_bytes / _MIB))} MiB"
