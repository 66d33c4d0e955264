"""Fitting a model in closed form, by its ``fit(data, mask)``."""

import inspect
from pathlib import Path

from torch import nn

from stlora_ext.data.windows import SplitTensors
from stlora_ext.errors import UserError

PARTIAL = "fit.partial.npz"


def fit_model(model: nn.Module, split: SplitTensors, seed: int, run_dir: Path, identity: str = "") -> None:
    """Fit ``model`` on a split.

    A model whose ``fit`` asks for them gets the seed, a file for partial results, and what identifies these.

    Raises:
        UserError: If the model refuses, for instance damaged partial results.
    """
    offered = {"seed": seed, "partial_path": run_dir / PARTIAL, "identity": identity}
    asked = inspect.signature(model.fit).parameters
    try:
        model.fit(split.scaled, split.mask, **{name: value for name, value in offered.items() if name in asked})
    except UserError:
        raise
    except ValueError as error:
        raise UserError(str(error)) from error
