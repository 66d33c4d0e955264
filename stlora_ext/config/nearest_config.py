"""What to give instead of a config file that isn't there: a file that is, or data set and model by name."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from stlora_ext.folders import ROOT

_CONFIGS = ROOT / "experiments"


def instead_of(path: Path, data: Path) -> str:
    """Say what to do about a config that isn't there, naming only files that exist.

    Args:
        path: The file, as the user wrote it.
        data: Folder of the prepared data sets; one that is there needs no config.
    """
    from stlora_ext.config.registry import models

    folder, file = path.parent, f"{path.name.removesuffix('.py')}.py"
    files, model = _files(folder), model_of(file)
    if file in files:
        return _did_you_mean(folder / file)
    in_use = folder.resolve().parent == _CONFIGS and bool(files)
    dataset = folder.resolve().name if in_use else folder.name
    if in_use or (dataset and (data / dataset / "meta.json").is_file()):
        if model not in models() and (near := _closest(file, files)):
            return _did_you_mean(folder / near)
        meant = model if model in models() else _closest(model, models())
        if meant is not None:
            return f"{dataset} has no config of {meant}: {_by_name(dataset, meant)}"
        return f"expected one of: {', '.join(files or map(file_of, models()))}"
    if near := _closest(file, files):
        return _did_you_mean(folder / near)
    known = [folder.name for folder in _CONFIGS.iterdir() if _files(folder)]
    own = (
        f"; for data of your own prepare {dataset}, then {_by_name(dataset, model)}"
        if model in models() and dataset not in ("", _CONFIGS.name, *known)
        else ""
    )
    other = _closest(dataset, known)
    if other and (near := _closest(file, _files(_CONFIGS / other))):
        return _did_you_mean(_CONFIGS / other / near) + own
    return f"expected a file such as {_shown(_CONFIGS / 'TINY' / 'LSTM.py')}{own}"


def _files(folder: Path) -> list[str]:
    """Return the names of the configs in a folder; the commands themselves are none."""
    return [] if folder.resolve() in (_CONFIGS, ROOT) else sorted(path.name for path in folder.glob("*.py"))


def model_of(file: str) -> str:
    """Return the model that a config's file name stands for."""
    stem = file.removesuffix(".py")
    return f"{stem.removesuffix('_LoRA')}{'+' * stem.endswith('_LoRA')}"


def file_of(model: str) -> str:
    """Return the file name of a model's config."""
    return f"{model.removesuffix('+')}{'_LoRA' * model.endswith('+')}.py"


def _closest(name: str, options: Iterable[str]) -> str | None:
    lowered = {option.lower(): option for option in options}
    close = get_close_matches(name.lower(), lowered, n=1)
    return lowered[close[0]] if close else None


def _by_name(dataset: str, model: str) -> str:
    return f"give --dataset {dataset} --model {model} instead of -c"


def _did_you_mean(path: Path) -> str:
    return f"did you mean '{_shown(path)}'?"


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
