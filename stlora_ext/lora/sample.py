"""A model called with a batch, and batches to try one on."""

import torch
from torch import nn

from stlora_ext.lora.model import forward_names

# What a model may name in its forward, besides its inputs, and is given outside training.
OFFERED = ("inputs_mask", "inputs_timestamps", "targets_timestamps", "targets", "step", "epoch", "train")


def forward(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Call a model as the runner does outside training: with what its forward names, and zeros as targets.

    Args:
        model: With or without adapter.
        batch: ``inputs [B, input_len, N]`` normalised, ``inputs_mask``, ``inputs_timestamps``, ``targets_timestamps``
            and ``targets [B, output_len, N]``, of which the shape counts.

    Returns:
        torch.Tensor: The normalised forecast ``[B, output_len, N]``.
    """
    offered = {**batch, "step": 0, "epoch": None, "train": False, "targets": torch.zeros_like(batch["targets"])}
    taken = forward_names(model)
    result = model(batch["inputs"], **{name: offered[name] for name in OFFERED if name in taken})
    return result["prediction"] if isinstance(result, dict) else result


def sample_window(input_len: int, num_nodes: int, batch: int = 1) -> torch.Tensor:
    """Return windows ``[batch, input_len, num_nodes]`` in which every node differs; a node's don't depend on others."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(num_nodes, batch, input_len, generator=generator).permute(1, 2, 0).contiguous()


def sample_batch(inputs: torch.Tensor, steps_per_day: int, steps: int) -> dict[str, torch.Tensor]:
    """Return the batch of windows ``inputs [batch, input_len, nodes]`` that ``forward`` takes.

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
