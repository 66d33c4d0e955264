"""A backbone tried on one window before it is trained: what doesn't fit is one line, not a traceback after minutes."""

import torch
from torch import nn

from stlora_ext.config.experiment import Experiment
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.lora.sample import forward, sample_batch, sample_window

_WINDOWS = 8  # that are forecast together and alone


@torch.no_grad()
def refuse_unfit(backbone: nn.Module, exp: Experiment, meta: Meta) -> None:
    """Forecast a window of the data set's lengths, without touching weights or global generators.

    Raises:
        UserError: If the model fails, or its forecast isn't ``[1, output_len, num_nodes]``.
    """
    lengths = f"input_len={meta.input_len} and output_len={meta.output_len}"
    inputs, steps = sample_window(meta.input_len, meta.num_nodes), meta.input_len + meta.output_len
    training = backbone.training
    try:
        with torch.random.fork_rng(devices=[]):
            forecast = forward(backbone.eval(), sample_batch(inputs, meta.steps_per_day, steps))
    except UserError:
        raise
    except Exception as error:  # the model may be anybody's
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UserError(
            f"{exp.dataset}/{exp.model} can't forecast with {lengths} ({reason}): correct its settings, --set "
            "model.NAME=VALUE, or prepare data of other lengths"
        ) from None
    finally:
        backbone.train(training)
    shape = tuple(forecast.shape) if isinstance(forecast, torch.Tensor) else type(forecast).__name__
    if shape != (1, meta.output_len, meta.num_nodes):
        raise UserError(
            f"{exp.dataset}/{exp.model} forecasts {shape} with {lengths}, expected (1, {meta.output_len}, "
            f"{meta.num_nodes}): [batch, output_len, nodes], or a dictionary with it as 'prediction'"
        )


def refuse_mixed_windows(backbone: nn.Module, exp: Experiment, meta: Meta) -> None:
    """Refuse a backbone whose forecast of a window depends on the other windows of its batch: it would look ahead.

    Raises:
        UserError: If it is one.
    """
    if mixes_windows(backbone, meta):
        raise UserError(
            f"--protocol stream: {exp.backbone.name} forecasts a window from the other windows of its batch, which lie "
            "in the future of a stream; name another model"
        )


@torch.no_grad()
def mixes_windows(model: nn.Module, meta: Meta) -> bool:
    """Whether a model's forecast of a window depends on the other windows of its batch."""
    steps = meta.input_len + meta.output_len
    windows = sample_window(meta.input_len, meta.num_nodes, batch=_WINDOWS)
    training = model.training
    model.eval()
    with torch.random.fork_rng(devices=[]):
        together, *alone = (
            forward(model, sample_batch(inputs, meta.steps_per_day, steps)) for inputs in (windows, *windows.split(1))
        )
    model.train(training)
    return not torch.allclose(together, torch.cat(alone), rtol=1e-4, atol=1e-5)
