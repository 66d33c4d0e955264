"""The registry of backbones: a name, its architecture, its config and its published training settings."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from stlora_ext.config.backbones import BACKBONES
from stlora_ext.config.training import TrainingSettings
from stlora_ext.errors import UserError, nearest

if TYPE_CHECKING:
    from basicts.configs import BasicTSModelConfig
    from torch import nn


@dataclass(frozen=True)
class Backbone:
    """A registered backbone.

    Attributes:
        name: Its name in configs, records and tables.
        arch: The module class; built as ``arch(config)``.
        config: The config dataclass of the architecture.
        training: Published training settings.
        fitted: Fitted once by ``fit(data, mask)`` instead of trained by gradient.
        deterministic: No seed changes the result; one record serves every seed.
        tested_with: Which of ``compile``, ``bf16`` and ``cuda-graphs`` its tests cover; the others are refused.
        of_lengths: Returns the settings of its config that follow from ``input_len`` and ``output_len`` unless they
            are given; None: none do.
        unused: Fields of its config that change nothing where another one has a certain value.
    """

    name: str
    arch: "type[nn.Module]"
    config: "type[BasicTSModelConfig]"
    training: TrainingSettings
    fitted: bool = False
    deterministic: bool = False
    tested_with: tuple[str, ...] = ()
    of_lengths: Callable[[int, int], dict[str, Any]] | None = None
    unused: Mapping[str, tuple[str, Any]] = field(default_factory=dict)


_BACKBONES: dict[str, Backbone] = {}


def register(
    name: str,
    arch: "type[nn.Module]",
    config: "type[BasicTSModelConfig]",
    training: TrainingSettings = TrainingSettings(),  # noqa: B008 (frozen)
    *,
    fitted: bool = False,
    deterministic: bool = False,
    tested_with: tuple[str, ...] = (),
    of_lengths: Callable[[int, int], dict[str, Any]] | None = None,
    unused: Mapping[str, tuple[str, Any]] = MappingProxyType({}),
) -> Backbone:
    """Register a backbone under ``name``; a name taken by another architecture is replaced with a warning."""
    known = _BACKBONES.get(name)
    if known is not None and known.arch is not arch:
        before = f"{known.arch.__module__}.{known.arch.__name__}"
    elif known is None and name in BACKBONES and not arch.__module__.startswith(BACKBONES[name].module):
        before = BACKBONES[name].module
    else:
        before = None
    if before is not None:
        warnings.warn(f"backbone '{name}': {before} is replaced by {arch.__module__}.{arch.__name__}", stacklevel=2)
    _BACKBONES[name] = Backbone(name, arch, config, training, fitted, deterministic, tested_with, of_lengths, unused)
    return _BACKBONES[name]


def backbones() -> list[str]:
    """Return the names of all backbones: those that ship, then others in order of registration."""
    return list(dict.fromkeys((*BACKBONES, *_BACKBONES)))


def models(pattern: str = "*") -> list[str]:
    """Return every model whose name matches: each backbone, and the backbone with an adapter, "NAME+"."""
    return [model for name in backbones() for model in (name, f"{name}+") if fnmatchcase(model, pattern)]


def get_backbone(name: str) -> Backbone:
    """Return the backbone of a model, importing it if need be; "NAME+" is NAME with an adapter.

    Raises:
        UserError: If there is none, with the nearest name.
    """
    model, name = name, name.removesuffix("+")
    if name not in _BACKBONES:
        if name not in BACKBONES:
            raise UserError(f"unknown model '{model}': {nearest(model, models())}")
        listed = BACKBONES[name]
        module, arch = import_module(listed.module), listed.arch or name
        register(
            name,
            getattr(module, arch),
            getattr(module, f"{arch}Config"),
            listed.training,
            of_lengths=getattr(module, "of_lengths", None),
            **listed.more,
        )
    return _BACKBONES[name]
