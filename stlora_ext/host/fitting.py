"""Fitting a model in closed form, by its ``fit(data, mask)``."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from stlora_ext.data.windows import SplitTensors
from stlora_ext.errors import UserError

PARTIAL = "fit.partial.npz"


@runtime_checkable
class Fitted(Protocol):
    """A model that is fitted in closed form."""

    def fit(self, data: torch.Tensor, mask: torch.Tensor, **offered: Any) -> None:
        """Fit; of what ``fit_model`` offers, the model's own signature names what it takes."""


def fit_model(
    model: Fitted, split: SplitTensors, seed: int, run_dir: Path, over: Callable[..., Iterator], identity: str = ""
) -> None:
    """Fit ``model`` on a split; a model whose ``fit`` asks for them gets more than data and mask.

    That is ``timestamps``, time of day and day of week of the rows ``[rows, 2]``; ``seed``; ``partial_path``, a file
    for partial results, and ``identity``, what identifies them; ``progress(items, total, done, unit)``, which yields
    the items of a long fit and shows how many of them are done.

    Args:
        model: The model.
        split: The training split.
        seed: The run's seed.
        run_dir: The run's folder.
        over: ``Progress.over`` of the run.
        identity: What identifies the fit.

    Raises:
        UserError: If the model refuses, for instance damaged partial results.
    """

    def progress(items: Iterable, total: int, done: int, unit: str) -> Iterator:
        return over(items, "fit", total, done, unit)

    offered = {
        "timestamps": split.timestamps,
        "seed": seed,
        "partial_path": run_dir / PARTIAL,
        "identity": identity,
        "progress": progress,
    }
    asked = inspect.signature(model.fit).parameters
    try:
        model.fit(split.scaled, split.mask, **{name: value for name, value in offered.items() if name in asked})
    except UserError:
        raise
    except ValueError as error:
        raise UserError(str(error)) from error
