"""One log file per run; the host's own loggers kept off the console."""

import logging
import sys
from contextlib import suppress
from pathlib import Path

from easytorch.utils import get_logger

_HOST_LOGGERS = ("BasicTS", "BasicTS-launcher", "easytorch-env", "easytorch-checkpoint", "easytorch-launcher")


def quiet_host_loggers() -> None:
    """Let the host's loggers speak from warnings on."""
    for name in _HOST_LOGGERS:
        get_logger(name).setLevel(logging.WARNING)


class _RunLog(logging.FileHandler):
    """A log that stops the run where it can't be written, instead of printing a traceback at every line."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        self.setLevel(logging.CRITICAL + 1)  # once is enough
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            error.filename = error.filename or self.baseFilename
        raise

    def close(self) -> None:
        with suppress(OSError):  # what it still holds after a failed write
            super().close()


def open_run_log(run_dir: Path) -> logging.Logger:
    """Return a logger that appends to ``run_dir/train.log`` and to nothing else."""
    logger = logging.Logger("run", logging.INFO)  # not by getLogger, whose loggers outlive the run
    handler = _RunLog(run_dir / "train.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    return logger


def no_run_log() -> logging.Logger:
    """Return a logger that writes nowhere, of a process that helps another."""
    logger = logging.Logger("run", logging.INFO)
    logger.addHandler(logging.NullHandler())
    return logger


def close_run_log(logger: logging.Logger) -> None:
    """Close the files of a run's logger."""
    for handler in list(logger.handlers):
        handler.close()
        logger.removeHandler(handler)
