"""Reading a config file: a Python file that the user runs, holding one ``CFG = experiment(...)``."""

from pathlib import Path

from stlora_ext.config.experiment import Experiment, config_text, experiment
from stlora_ext.config.nearest_config import instead_of
from stlora_ext.config.user_file import run_file
from stlora_ext.errors import UserError
from stlora_ext.folders import DATA, ROOT


def load_experiment(path: Path, data: Path = DATA) -> Experiment:
    """Run the config file at ``path`` and return its ``CFG``.

    Args:
        path: The file.
        data: Folder of the prepared data sets, for the remedy where there is no such file.

    Raises:
        UserError: If there is no such file, it fails, or its ``CFG`` is no experiment.
    """
    if path.is_dir():
        example = path / "LSTM.py"
        raise UserError(
            f"config {path} does not exist; it is a folder, name a file in it such as "
            f"{example if example.is_file() else 'experiments/TINY/LSTM.py'}"
        )
    if not path.is_file():
        raise UserError(f"config {path} does not exist; {instead_of(path, data)}")
    cfg = run_file(path, f"config {path}", "CFG = experiment(DATASET, MODEL, ...)").get("CFG")
    if not isinstance(cfg, Experiment):
        raise UserError(
            f"config {path}: expected CFG = experiment(DATASET, MODEL, ...), found "
            f"{'no CFG' if cfg is None else type(cfg).__name__}"
        )
    return cfg


def config_path(dataset: str, model: str) -> Path:
    """Return where the config of a model on a data set belongs, relative to the repository's root."""
    return Path("experiments", dataset, f"{model.removesuffix('+')}{'_LoRA' * model.endswith('+')}.py")


def config_or_default(dataset: str, model: str) -> tuple[Path, Experiment, str]:
    """Return a model's config file for ``run.py -c``, and what it says.

    Returns:
        tuple: The path, the experiment, and "", or where there is no such file, what to write into one.
    """
    path = config_path(dataset, model)
    if (ROOT / path).is_file():
        return path, load_experiment(ROOT / path), ""
    return (Path("CONFIG.py"), experiment(dataset, model), f" where CONFIG.py holds: {config_text(dataset, model)}")
