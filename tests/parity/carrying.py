"""What carrying a reference's weights over gives: the model, and how its gradients read under the reference's names."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Carried:
    """A backbone that holds a reference's weights.

    Attributes:
        model: The backbone.
        gradient: Returns, after a backward pass, the gradient of a reference parameter in that parameter's shape, or
            None for a parameter that never reaches the output and so need not exist.
    """

    model: nn.Module
    gradient: Callable[[str], torch.Tensor | None]


def renamed(model: nn.Module, state: dict[str, torch.Tensor], rename: Callable[[str], str]) -> Carried:
    """Carry weights over one to one: ``rename`` maps the reference's names to the model's."""
    own = model.state_dict()
    model.load_state_dict({rename(name): value.reshape(own[rename(name)].shape) for name, value in state.items()})
    parameters = dict(model.named_parameters())
    return Carried(model, lambda name: parameters[rename(name)].grad.reshape(state[name].shape))
