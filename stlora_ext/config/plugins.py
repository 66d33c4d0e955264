"""Plug-in files: Python files of the user's that register backbones, for every command and the processes it starts."""

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from stlora_ext.config.user_file import running
from stlora_ext.errors import UserError

VARIABLE = "STLORA_PLUGINS"  # the file; --plugins sets it, so that child processes read the same
_loaded: set[Path] = set()


def load_plugins() -> None:
    """Run the plug-in file that ``STLORA_PLUGINS`` names, once; without one, do nothing.

    It is imported as a module of its file's name, and modules beside it can be imported, so that a class has one name
    in every process.

    Raises:
        UserError: If there is no such file, or it fails, in one line.
    """
    name = os.environ.get(VARIABLE)
    if not name:
        return
    path = Path(name).resolve()
    if path in _loaded:
        return
    if not path.is_file():
        raise UserError(
            f"plug-in file {name} does not exist: give the path of a Python file to --plugins or {VARIABLE}"
        )
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise UserError(f"plug-in file {name}: expected a name such as my_models.py, which Python can import")
    if path.stem in sys.modules:
        raise UserError(f"plug-in file {name}: there is a module {path.stem} already; give the file another name")
    _loaded.add(path)  # while it runs it may ask for backbones itself
    sys.path.insert(0, str(path.parent))
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        with running(path, f"plug-in file {name}", 'register("NAME", "package.module:Class", "package.module:Config")'):
            spec.loader.exec_module(module)
    except BaseException:
        _loaded.discard(path)
        del sys.modules[path.stem]
        sys.path.remove(str(path.parent))
        raise
