"""What a backbone's registration says, and how what it names is imported when it is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from stlora_ext.config.training import TrainingSettings
from stlora_ext.errors import UserError, in_a_line, nearest
from stlora_ext.fields import checked, field_names

if TYPE_CHECKING:
    from basicts.configs import BasicTSModelConfig
    from basicts.runners.callback import BasicTSCallback
    from torch import nn

OfLengths = Callable[[int, int], dict[str, Any]]

_LEAST = {"num_nodes", "input_len", "output_len"}  # of a data set, that a model may need some of


@dataclass(frozen=True)
class Backbone:
    """A registered backbone. A class may be named, "package.module:Class", until ``get_backbone`` imports it.

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
        unused: Fields of its config that change nothing where another one has a certain value; None: that never do.
        settings: Fields of its config that differ from the dataclass's defaults.
        callbacks: Classes of the callbacks that its training needs.
        least: The least that a data set has to have for it, by field of ``Meta``: ``{"num_nodes": 2}``.
        paper: Author, year and venue.
    """

    name: str
    arch: "type[nn.Module]"
    config: "type[BasicTSModelConfig]"
    training: TrainingSettings = TrainingSettings()
    fitted: bool = False
    deterministic: bool = False
    tested_with: tuple[str, ...] = ()
    of_lengths: OfLengths | None = None
    unused: Mapping[str, tuple[str, Any] | None] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    callbacks: "tuple[type[BasicTSCallback], ...]" = ()
    least: Mapping[str, int] = field(default_factory=dict)
    paper: str = ""

    @property
    def class_path(self) -> str:
        """Its class, "package.module.Class"."""
        arch: Any = self.arch
        return arch.replace(":", ".") if isinstance(arch, str) else f"{arch.__module__}.{arch.__name__}"

    def imported(self) -> "Backbone":
        """Return it with classes where it had names, and checked: not before, for one that is wrong hides no other.

        Raises:
            UserError: If one can't be imported, or isn't what is expected there.
        """
        if not isinstance(self.training, TrainingSettings):
            raise self._wrong("training", self.training, "TrainingSettings, such as TrainingSettings(lr=0.002)")
        if not isinstance(self.settings, Mapping):
            raise self._wrong("settings", self.settings, 'a dictionary, such as {"num_layers": 6}')
        if not (isinstance(self.least, Mapping) and set(self.least) <= _LEAST):
            raise self._wrong(
                "least", self.least, f'a dictionary of {", ".join(sorted(_LEAST))}, such as {{"num_nodes": 2}}'
            )
        if not isinstance(self.callbacks, (list, tuple)):
            raise self._wrong("callbacks", self.callbacks, 'a list, such as ["package.module:Class"]')
        config = _imported(self.name, self.config)
        if not (isinstance(config, type) and is_dataclass(config)):
            raise self._wrong("config", self.config, "a dataclass; write @dataclass above the class")
        try:
            checked(config, self.settings, "settings.")  # not taken: a type made right would be another key
        except UserError as error:
            raise UserError(f"register('{self.name}'): {error}") from None
        callbacks = tuple(_imported(self.name, callback) for callback in self.callbacks)
        for callback, given in zip(callbacks, self.callbacks, strict=True):
            if not _is_callback(callback):
                raise self._wrong("callbacks", given, "a class derived from basicts.runners.callback.BasicTSCallback")
        return replace(
            self,
            arch=_imported(self.name, self.arch),
            config=config,
            of_lengths=_imported(self.name, self.of_lengths),
            callbacks=callbacks,
        )

    def following(self, input_len: int, output_len: int) -> dict[str, Any]:
        """Return the settings of its config that follow from the lengths of a window.

        Raises:
            UserError: If ``of_lengths`` fails, or names what the config lacks.
        """
        if self.of_lengths is None:
            return {}
        try:
            settings = dict(self.of_lengths(input_len, output_len))
        except UserError:
            raise
        except Exception as error:  # it may be anybody's
            raise UserError(
                f"register('{self.name}'): of_lengths({input_len}, {output_len}) fails ({in_a_line(error)}); expected "
                "a function of both lengths that returns settings of the config"
            ) from None
        unknown = next((name for name in settings if name not in field_names(self.config)), None)
        if unknown is not None:
            names = field_names(self.config)
            raise UserError(f"register('{self.name}'): of_lengths gives '{unknown}': {nearest(unknown, names)}")
        return settings

    def _wrong(self, attribute: str, value: Any, expected: str) -> UserError:
        shown = f"{value.__module__}:{value.__qualname__}" if isinstance(value, type) else repr(value)
        return UserError(f"register('{self.name}'): {attribute}={shown}: expected {expected}")


def _is_callback(value: Any) -> bool:
    from basicts.runners.callback import BasicTSCallback  # it needs torch

    return isinstance(value, type) and issubclass(value, BasicTSCallback)


def _imported(name: str, what: Any) -> Any:
    if not isinstance(what, str):
        return what
    module_name, colon, attribute = what.partition(":")
    if not (colon and module_name and attribute.isidentifier()):
        raise UserError(f"model {name}: '{what}': expected \"package.module:Class\"")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        missing = str(error.name)
        if module_name == missing or module_name.startswith(f"{missing}."):
            raise UserError(
                f"model {name}: '{what}': there is no module {missing}; put its file beside the plug-in file, or its "
                "folder into PYTHONPATH"
            ) from None
        raise UserError(
            f"model {name} needs the package {missing}, which isn't installed: pip install {missing}"
        ) from None
    except Exception as error:  # whatever the module raises is the user's to mend
        raise UserError(
            f"model {name}: '{what}': the module {module_name} can't be imported ({in_a_line(error)})"
        ) from None
    if not hasattr(module, attribute):
        raise UserError(f"model {name}: '{what}': the module {module_name} has no {attribute}")
    return getattr(module, attribute)
