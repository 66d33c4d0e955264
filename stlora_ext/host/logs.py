"""One log file per run; the host's own loggers kept off the console."""

import logging
from pathlib import Path

from easytorch.utils import get_logger

_HOST_LOGGERS = ("BasicTS", "BasicTS-launcher", "easytorch-env", "easytorch-checkpoint", "easytorch-launcher")


def quiet_host_loggers() -> None:
    """Let the host's loggers speak from warnings on."""
    for name in _HOST_LOGGERS:
        get_logger(name).setLevel(logging.WARNING)


def open_run_log(run_dir: Path) -> logging.Logger:
    """Return a logger that appends to ``run_dir/train.log`` and to nothing else."""
    logger = logging.Logger("run", logging.INFO)  # not by getLogger, whose loggers outlive the run
    handler = logging.FileHandler(run_dir / "train.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    return logger


def close_run_log(logger: logging.Logger) -> None:
    """Close the files of a run's logger."""
    for handler in list(logger.handlers):
        handler.close()
        logger.removeHandler(handler)
