"""Seeds for separate purposes, and the state of every generator, saved and restored."""

import hashlib
import random
from typing import Any

import numpy as np
import torch


def derive_seed(seed: int, *purpose: Any) -> int:
    """Return a seed for one purpose, so that what one part draws never shifts what another draws."""
    digest = hashlib.sha256("/".join(map(str, (seed, *purpose))).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seed_everything(seed: int) -> None:
    """Seed the generators that a model's dropout may draw from."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (models may draw from it)


def shuffled(num_windows: int, seed: int, epoch: int) -> torch.Tensor:
    """Return the order of the training windows in ``epoch``; it depends on nothing but its arguments."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "batches", epoch))
    return torch.randperm(num_windows, generator=generator)


def rng_state() -> dict[str, Any]:
    """Return the state of Python's, numpy's and torch's generators in types that a safe load admits.

    Of the GPUs it is the current one's alone: a run uses one.
    """
    version, internal, gauss = random.getstate()
    numpy_state = np.random.get_state()  # noqa: NPY002 (models may draw from it)
    assert isinstance(numpy_state, tuple)
    name, keys, position, has_gauss, cached = numpy_state
    return {
        "python": [version, list(internal), gauss],
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
        "cuda": [torch.cuda.get_rng_state()] if torch.cuda.is_initialized() else [],
    }


def set_rng_state(state: dict[str, Any]) -> None:
    """Restore what ``rng_state`` returned, whichever GPUs are there now; a GPU's state goes to the current one."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), position, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] and torch.cuda.is_available():
        # Earlier versions saved every visible GPU's state, and only the run's own GPU had drawn.
        torch.cuda.set_rng_state(max((s.cpu() for s in state["cuda"]), key=_draws))


def _draws(state: torch.Tensor) -> int:
    """How far a GPU's generator has got: its state is the seed and this offset, 8 bytes each."""
    return int.from_bytes(state[8:].tolist(), "little")
