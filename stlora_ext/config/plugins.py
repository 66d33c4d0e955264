"""Plug-in files: Python files of the user's that register backbones, for every command and the processes it starts."""

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from stlora_ext.config.user_file import running
from stlora_ext.errors import UserError
from stlora_ext.options import PLUGINS

_EXPECTED = 'register("NAME", "package.module:Class", "package.module:Config")'
_SHIPPED = ("stlora_ext", "baselines")  # to every node
_loaded: set[Path] = set()


def plugin_file() -> Path | None:
    """Return the plug-in file that ``STLORA_PLUGINS`` names; None: none."""
    name = os.environ.get(PLUGINS)
    return Path(name).resolve() if name else None


def load_plugins() -> None:
    """Run the plug-in file, if there is one, once.

    It is imported as a module of its file's name, and modules beside it can be imported, so that a class has one name
    in every process.

    Raises:
        UserError: If there is no such file, or it fails, in one line.
    """
    path = plugin_file()
    if path is None or path in _loaded:
        return
    if not path.is_file():
        why = "is a folder" if path.is_dir() else "does not exist"
        raise UserError(f"plug-in file {path} {why}: give --plugins, or {PLUGINS}, a Python file's path")
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise UserError(f"plug-in file {path}: expected a name that Python can import, such as my_models.py")
    if path.stem in sys.modules:
        raise UserError(f"plug-in file {path}: there is a module {path.stem} already; give the file another name")
    os.environ[PLUGINS] = str(path)  # child processes may run in another folder
    _loaded.add(path)  # while it runs it may ask for backbones itself
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.parent))
    try:
        with running(path, f"plug-in file {path}", _EXPECTED):
            spec.loader.exec_module(module)
    except BaseException:
        _loaded.discard(path)
        del sys.modules[path.stem]
        sys.path.remove(str(path.parent))
        raise


def plugin_sources() -> dict[str, bytes]:
    """Return the plug-in file and the imported modules beside it, by their path in its folder: what a node lacks.

    The file itself comes first; without one, there is nothing.
    """
    path = plugin_file()
    if path is None:
        return {}
    folder, names = path.parent, {Path(path.name): None}
    for name, module in list(sys.modules.items()):
        file = Path(getattr(module, "__file__", None) or "")
        installed = any(file.is_relative_to(prefix) for prefix in (sys.prefix, sys.base_prefix))
        if (
            file.suffix == ".py"
            and file.is_relative_to(folder)
            and not installed
            and name.split(".")[0] not in _SHIPPED
        ):
            names[file.relative_to(folder)] = None
    return {str(name): (folder / name).read_bytes() for name in names}
