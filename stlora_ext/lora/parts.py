"""Sensors that came together are forecast together, apart from those that came earlier or later.

Products of matrices are rounded by their sizes. In a pass with more nodes a sensor's forecast could differ in the last
bit; in passes of their own the old sensors' forecasts stay what they were.
"""

import inspect
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import nn

from stlora_ext.wrapped import unwrapped


def parts_of(num_nodes: int, added: Sequence[int]) -> list[slice]:
    """Return the nodes of each part: the first ones, and those that each expansion has added."""
    ends = accumulate((num_nodes - sum(added), *added), initial=0)
    return [slice(*pair) for pair in pairwise(ends)]


def forecast_in_parts(
    backbone: nn.Module, parts: Sequence[slice], inputs: torch.Tensor, *args: Any, **kwargs: Any
) -> Any:
    """Forecast with a backbone that holds no nodes, part by part.

    Args:
        backbone: The backbone, which may be wrapped.
        parts: The nodes of each part.
        inputs: Normalised readings ``[B, input_len, N]``.
        *args: What else the backbone takes. Of tensors ``[B, steps, N]``, timestamps apart, a part gets its nodes.
        **kwargs: Likewise.

    Returns:
        What the backbone returns: a tensor ``[B, output_len, N]``, or a dictionary, of which ``prediction`` is kept.
    """
    num_nodes = parts[-1].stop
    names = [*inspect.signature(unwrapped(backbone).forward).parameters][1:]
    names += [""] * (len(args) - len(names))

    def cut(name: str, value: Any, part: slice) -> Any:
        per_node = isinstance(value, torch.Tensor) and value.dim() == 3 and value.shape[2] == num_nodes
        return value[:, :, part].contiguous() if per_node and not name.endswith("timestamps") else value

    results = [
        backbone(
            cut("inputs", inputs, part),
            *(cut(name, value, part) for name, value in zip(names, args, strict=False)),
            **{name: cut(name, value, part) for name, value in kwargs.items()},
        )
        for part in parts
    ]
    if isinstance(results[0], dict):
        return {"prediction": torch.cat([result["prediction"] for result in results], dim=2)}
    return torch.cat(results, dim=2)
