"""What a command is to run: a config file, Python that holds a ``CFG = experiment(...)``, or data set and model."""

from pathlib import Path

from stlora_ext.config.experiment import Experiment, experiment
from stlora_ext.config.nearest_config import file_of, instead_of
from stlora_ext.config.user_file import run_file
from stlora_ext.data.names import check_dataset_name
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
    return Path("experiments", dataset, file_of(model))


def config_or_default(dataset: str, model: str) -> tuple[Path | None, Experiment]:
    """Return a model's config file, relative to the repository's root, and what it says.

    Returns:
        tuple: The path, None where there is no such file, and the experiment, then the usual one.
    """
    path = config_path(dataset, model)
    if (ROOT / path).is_file():
        return path, load_experiment(ROOT / path)
    return None, experiment(dataset, model)


def asked_experiment(config: Path | None, dataset: str | None, model: str | None, data: Path = DATA) -> Experiment:
    """Return what ``-c``, or ``--dataset`` and ``--model`` in its place, ask for.

    Args:
        config: A config file.
        dataset: Name of a data set.
        model: Name of a model; with ``dataset`` it stands for the config file of the two, or, where there is none, for
            one that holds these two names and nothing else.
        data: Folder of the prepared data sets.

    Raises:
        UserError: As ``load_experiment``; if both ways are given, or neither whole; or on an unknown model.
    """
    for option, name in (("--dataset", dataset), ("--model", model)):
        if config is not None and name is not None:
            raise UserError(f"{option} {name}: -c {config} names data set and model; leave one of them out")
    if config is not None:
        return load_experiment(config, data)
    if dataset is None or model is None:
        lacking = " and ".join(option for option, name in (("--dataset", dataset), ("--model", model)) if name is None)
        raise UserError(f"{lacking} not given: expected a config, -c/--config FILE, or --dataset NAME and --model NAME")
    return config_or_default(check_dataset_name(dataset), model)[1]
