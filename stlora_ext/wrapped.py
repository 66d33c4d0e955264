"""Modules inside wrappers: torch.compile's, DataParallel's and DistributedDataParallel's."""

from collections.abc import Iterable
from typing import TypeVar, cast

from torch import nn

Wrapped = TypeVar("Wrapped", bound=nn.Module)
_PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)


def unwrapped(module: Wrapped) -> Wrapped:
    """Return the module that the wrappers around ``module`` call, or ``module`` itself if it is no wrapper."""
    while (child := _wrapped_child(module)) is not None:
        module = cast(Wrapped, module.get_submodule(child))
    return module


def bare_names(module: nn.Module, names: Iterable[str]) -> dict[str, str]:
    """Return each of ``names`` with the name that it has where nothing in ``module`` is wrapped.

    Args:
        module: A module, itself or any part of it wrapped.
        names: Names of its parameters and buffers, as ``named_parameters`` and ``state_dict`` give them.
    """
    inserted = {
        f"{path}.{child}" if path else child
        for path, part in module.named_modules(remove_duplicate=False)
        if (child := _wrapped_child(part)) is not None
    }
    return {name: _without(name, inserted) for name in names} if inserted else {name: name for name in names}


def _wrapped_child(module: nn.Module) -> str | None:
    """Return the name under which a wrapper holds what it wraps; None if ``module`` is no wrapper."""
    if "_orig_mod" in dict(module.named_children()):  # of torch.compile, whose class is private
        return "_orig_mod"
    return "module" if isinstance(module, _PARALLEL) else None


def _without(name: str, inserted: set[str]) -> str:
    parts = name.split(".")
    return ".".join(part for count, part in enumerate(parts, start=1) if ".".join(parts[:count]) not in inserted)
