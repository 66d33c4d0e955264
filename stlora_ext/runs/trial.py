"""A backbone tried on one window before it is trained: what doesn't fit is one line, not a traceback after minutes."""

import torch
from torch import nn

from stlora_ext.config.experiment import Experiment
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.runs.forecast import forward


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


def sample_window(input_len: int, num_nodes: int, batch: int = 1) -> torch.Tensor:
    """Return windows ``[batch, input_len, num_nodes]`` in which every node differs; a node's don't depend on others."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(num_nodes, batch, input_len, generator=generator).permute(1, 2, 0).contiguous()


def sample_batch(inputs: torch.Tensor, steps_per_day: int, steps: int) -> dict[str, torch.Tensor]:
    """Return the batch of windows ``inputs [batch, input_len, nodes]`` that ``runs.forecast.forward`` takes.

    Args:
        inputs: The windows.
        steps_per_day: Steps of a day.
        steps: Steps of a window and its forecast.
    """
    step, input_len = torch.arange(steps), inputs.shape[1]
    stamps = torch.stack([step % steps_per_day / steps_per_day, step // steps_per_day % 7 / 7], dim=1)
    stamps = stamps.expand(len(inputs), -1, 2)
    return {
        "inputs": inputs,
        "inputs_mask": torch.ones_like(inputs, dtype=torch.bool),
        "inputs_timestamps": stamps[:, :input_len],
        "targets_timestamps": stamps[:, input_len:],
        "targets": inputs.new_zeros(len(inputs), steps - input_len, inputs.shape[2]),
    }
