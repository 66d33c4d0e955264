"""A backbone tried on windows before it is trained: what doesn't fit is one line, not a traceback after minutes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from stlora_ext.config.basicts_models import BASICTS_MODELS
from stlora_ext.config.experiment import Experiment
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError, in_a_line
from stlora_ext.lora.sample import forward, sample_batch, sample_window

_WINDOWS = 8  # that are forecast together and alone


@torch.no_grad()
def refuse_unfit(backbone: nn.Module, exp: Experiment, meta: Meta) -> None:
    """Forecast two windows of the data set's lengths, without touching weights or global generators.

    One wouldn't do: its batch dimension of 1 broadcasts, which hides a shape that fits no batch of training.

    Raises:
        UserError: If the data set has less than the model needs, the model fails, or its forecast isn't
            ``[2, output_len, num_nodes]``.
    """
    for name, least in exp.backbone.least.items():
        if getattr(meta, name) < least:
            raise UserError(
                f"{exp.dataset}/{exp.model}: {name}={getattr(meta, name)}: {exp.backbone.name} learns nothing from "
                f"less than {least}; name another model, or prepare data with more"
            )
    label_len = exp.model_settings.get("label_len")
    if exp.backbone.name in BASICTS_MODELS and label_len is not None and not 1 <= label_len <= meta.input_len:
        raise UserError(
            f"{exp.dataset}/{exp.model}: model.label_len={label_len}: the decoder begins with the window's last steps; "
            f"expected 1 to {meta.input_len}"
        )
    lengths = f"input_len={meta.input_len} and output_len={meta.output_len}"
    inputs, steps = sample_window(meta.input_len, meta.num_nodes, batch=2), meta.input_len + meta.output_len
    training = backbone.training
    try:
        with torch.random.fork_rng(devices=[]):
            forecast = forward(backbone.eval(), sample_batch(inputs, meta.steps_per_day, steps))
    except UserError:
        raise
    except Exception as error:  # the model may be anybody's
        raise UserError(
            f"{exp.dataset}/{exp.model} can't forecast with {lengths} ({in_a_line(error)}): correct its settings, "
            "--set model.NAME=VALUE, or prepare data of other lengths"
        ) from None
    finally:
        backbone.train(training)
    shape = tuple(forecast.shape) if isinstance(forecast, torch.Tensor) else type(forecast).__name__
    if shape != (2, meta.output_len, meta.num_nodes):
        raise UserError(
            f"{exp.dataset}/{exp.model} forecasts {shape} with {lengths}, expected (2, {meta.output_len}, "
            f"{meta.num_nodes}): [batch, output_len, nodes], or a dictionary with it as 'prediction'"
        )


def refuse_mixed_windows(backbone: nn.Module, exp: Experiment, meta: Meta) -> None:
    """Refuse a backbone whose forecast of a window depends on the other windows of its batch: it would look ahead.

    Raises:
        UserError: If it is one.
    """
    with _as_it_was(backbone):
        mixes = _mixes(backbone.eval(), meta)
    if mixes:
        raise UserError(
            f"--protocol stream: {exp.backbone.name} forecasts a window from the other windows of its batch, which lie "
            "in the future of a stream; name another model"
        )


def mixes_windows(backbone: nn.Module, meta: Meta) -> bool:
    """Whether a backbone's forecast of a window depends on the other windows of its batch, batch norms apart.

    It is tried as it is evaluated and as it is trained; in training no longer where it draws more than dropout.
    """
    with _as_it_was(backbone):
        if _mixes(backbone.eval(), meta):
            return True
        for module in backbone.train().modules():
            if isinstance(module, (_BatchNorm, _DropoutNd)):
                module.eval()
        return not _draws(backbone, meta) and _mixes(backbone, meta)


@torch.no_grad()
def _mixes(backbone: nn.Module, meta: Meta) -> bool:
    """Whether windows that are forecast together are forecast otherwise than alone."""
    windows = sample_window(meta.input_len, meta.num_nodes, batch=_WINDOWS)
    together, *alone = _forecasts(backbone, (windows, *windows.split(1)), meta)
    return not torch.allclose(together, torch.cat(alone), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def _draws(backbone: nn.Module, meta: Meta) -> bool:
    """Whether two forecasts of the same windows differ."""
    windows = sample_window(meta.input_len, meta.num_nodes, batch=_WINDOWS)
    one, other = _forecasts(backbone, (windows, windows), meta)
    return not torch.equal(one, other)


def _forecasts(backbone: nn.Module, batches: Sequence[torch.Tensor], meta: Meta) -> list[torch.Tensor]:
    """Return the forecasts of batches of windows, one after the other."""
    steps = meta.input_len + meta.output_len
    with torch.random.fork_rng(devices=[]):
        return [forward(backbone, sample_batch(windows, meta.steps_per_day, steps)) for windows in batches]


@contextmanager
def _as_it_was(model: nn.Module) -> Iterator[None]:
    """Give a model its mode, part by part, and its buffers back after the ``with`` block."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for buffer, before in buffers:
            buffer.copy_(before)
