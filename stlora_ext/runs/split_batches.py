"""What can be trained on parts of a batch, one after the other or shared out among processes, and what is refused."""

from torch import nn

from stlora_ext.config.experiment import Experiment
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.host.split_steps import unsplittable
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.trial import mixes_windows


def refuse_unsplit(exp: Experiment, options: RunOptions) -> None:
    """Refuse a run whose settings don't go with parts of a batch, or with several processes.

    Raises:
        UserError: If they don't.
    """
    asked, many = _asked(options), len(options.devices) > 1
    if asked is None:
        return
    if many and exp.protocol == "new-sensors":
        raise UserError(
            f"{asked}: not with --protocol new-sensors, which one process fits and scores; {_less(options)}"
        )
    if many and exp.backbone.fitted:
        raise UserError(f"{asked}: {exp.backbone.name} is fitted in closed form, by one process; {_less(options)}")
    if exp.backbone.fitted and exp.adapter is None or exp.protocol == "stream" and exp.arm == "base":
        raise UserError(f"{asked}: this run trains nothing in steps; {_less(options)}")
    if options.cuda_graphs:
        why = "no other process joins" if many else "add no gradients"
        raise UserError(f"{asked}: not with --cuda-graphs, whose recorded steps {why}; leave one of them out")
    if many and options.compiled:
        raise UserError(f"{asked}: not tested with --compile; leave one of them out")
    batch = exp.training.batch_size
    if exp.protocol == "stream" and exp.stream.batch_size is not None:
        batch = exp.stream.batch_size
    least = len(options.devices) * options.num_parts
    if least > batch:
        raise UserError(
            f"{asked}: that is {least} parts of a batch, which has {batch} windows; ask for {batch} or fewer, or for a "
            "larger batch (--batch-size)"
        )


def refuse_unsplittable(model: nn.Module, exp: Experiment, meta: Meta, options: RunOptions) -> None:
    """Refuse a model whose loss on a batch isn't a sum over its windows.

    Args:
        model: The model as it is trained, on the CPU.
        exp: Its experiment.
        meta: The data set.
        options: How it is run.

    Raises:
        UserError: If it is one.
    """
    asked = _asked(options)
    if asked is None:
        return
    name = exp.backbone.name
    reason = unsplittable(model, exp.backbone.callbacks, options.num_parts)
    if reason is not None:
        raise UserError(f"{asked}: {name} {reason}; {_less(options)}")
    if mixes_windows(getattr(model, "backbone", model), meta):
        raise UserError(
            f"{asked}: {name} forecasts a window from the other windows of its batch, which can't be cut into parts; "
            f"{_less(options)}"
        )


def _asked(options: RunOptions) -> str | None:
    """Return the options that cut batches, as they are given; None where none does."""
    texts = []
    if options.gpus and len(options.devices) > 1:
        texts.append(f"--gpus {options.gpus}")
    elif options.processes > 1:
        texts.append(f"--processes {options.processes}")
    if options.num_parts > 1:
        texts.append(f"--parts {options.num_parts}")
    return " ".join(texts) or None


def _less(options: RunOptions) -> str:
    if options.gpus and len(options.devices) > 1:
        return "name one GPU" + ", without --parts" * (options.num_parts > 1)
    return "leave it out" if options.processes == 1 or options.num_parts == 1 else "leave them out"
