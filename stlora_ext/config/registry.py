"""The registry of backbones: those that ship, those of a plug-in file, and those that a config file registers."""

import warnings
from fnmatch import fnmatchcase
from typing import Any

from stlora_ext.config.backbone import Backbone
from stlora_ext.config.backbones import BACKBONES
from stlora_ext.config.basicts_models import BASICTS_MODELS
from stlora_ext.config.plugins import load_plugins, plugin_file
from stlora_ext.config.training import TrainingSettings
from stlora_ext.errors import UserError, nearest
from stlora_ext.folders import is_name

_SHIPPED = {**BACKBONES, **BASICTS_MODELS}
_BACKBONES: dict[str, Backbone] = {}  # registered, or imported


def register(
    name: str,
    arch: Any,
    config: Any,
    training: TrainingSettings = TrainingSettings(),  # noqa: B008 (frozen)
    **more: Any,
) -> None:
    """Register a backbone under ``name``; a name taken by another architecture is replaced with a warning.

    Args:
        name: Its name in configs, records and tables, without "+".
        arch: The module class, built as ``arch(config)``; or "package.module:Class", imported when it is asked for.
        config: The config dataclass of the architecture, likewise.
        training: Training settings.
        **more: Further attributes of ``Backbone``: ``fitted``, ``deterministic``, ``tested_with``, ``of_lengths``,
            ``unused``, ``settings``, ``callbacks``, ``least``, ``paper``.
    """
    if not is_name(name) or name.endswith("+"):
        raise UserError(
            f"register({name!r}): expected a name that a folder can have, without '/', and without '+' at its end, "
            "which stands for the adapter"
        )
    backbone = Backbone(name, arch, config, training, **more)
    known = _BACKBONES.get(name) or _SHIPPED.get(name)
    if known is not None and not _same(known.class_path, backbone.class_path):
        warnings.warn(f"backbone '{name}': {known.class_path} is replaced by {backbone.class_path}", stacklevel=2)
    _BACKBONES[name] = backbone


def _same(one: str, other: str) -> bool:
    """Whether two paths are one class: a package shows classes of its modules."""
    (module, _, name), (other_module, _, other_name) = one.rpartition("."), other.rpartition(".")
    nested = f"{module}.".startswith(f"{other_module}.") or f"{other_module}.".startswith(f"{module}.")
    return name == other_name and nested


def registrations() -> dict[str, Backbone]:
    """Return what is registered, by name: backbones that ship, then others in order; importing none."""
    load_plugins()
    return {**_SHIPPED, **_BACKBONES}


def plugged_in(name: str) -> bool:
    """Whether a backbone is none of those that ship, which may have its name, and a plug-in file registers it."""
    backbone, shipped = registrations().get(name), _SHIPPED.get(name)
    if backbone is None or plugin_file() is None:
        return False
    if shipped is None or not _same(backbone.class_path, shipped.class_path):
        return True
    return backbone.imported() != shipped.imported()


def backbones() -> list[str]:
    """Return the names of all backbones: those that ship, then others in order of registration."""
    return list(registrations())


def models(pattern: str = "*") -> list[str]:
    """Return every model whose name matches: each backbone, and the backbone with an adapter, "NAME+"."""
    return [model for name in backbones() for model in (name, f"{name}+") if fnmatchcase(model, pattern)]


def get_backbone(name: str) -> Backbone:
    """Return the backbone of a model, importing it if need be; "NAME+" is NAME with an adapter.

    Raises:
        UserError: If there is none, with the nearest name; or it can't be imported, with the reason.
    """
    model, name = name, name.removesuffix("+")
    backbone = registrations().get(name)
    if backbone is None:
        raise UserError(f"unknown model '{model}': {nearest(model, models())}")
    _BACKBONES[name] = backbone.imported()
    return _BACKBONES[name]
