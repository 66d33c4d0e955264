"""BasicTSLauncher for any runner class, on one device."""

import torch
from easytorch.device import set_device_type

from stlora_ext.cli import is_number
from stlora_ext.errors import UserError
from stlora_ext.host.config import ForecastingConfig
from stlora_ext.host.logs import close_run_log, quiet_host_loggers
from stlora_ext.host.progress import Outlook
from stlora_ext.host.runner import HostRunner


def refuse_absent_gpu(gpu: str) -> None:
    """Refuse a GPU, named by its number, that isn't there.

    Raises:
        UserError: If it isn't, with the number of those that are.
    """
    found = torch.cuda.device_count()
    if int(gpu) >= found:
        raise UserError(
            f"--gpus {gpu}: this machine has {found or 'no'} CUDA GPU{'s' * (found != 1)}; on the CPU: "
            "the same command with --gpus ''"
        )


def use_device(gpus: str | None) -> None:
    """Select the CPU (None or "") or one GPU by its number.

    Raises:
        UserError: If that GPU isn't there, or more than one is named.
    """
    if not gpus:
        set_device_type("cpu")
        return
    if not is_number(gpus):
        raise UserError(
            f"--gpus {gpus}: one run uses one GPU, named by its number; to use several, start the runs of a "
            "sweep side by side: python experiments/sweep.py --gpus 0,1"
        )
    refuse_absent_gpu(gpus)
    set_device_type("gpu")
    torch.cuda.set_device(int(gpus))


def launch_training(
    cfg: ForecastingConfig, runner_class: type[HostRunner] = HostRunner, outlook: Outlook | None = None
) -> HostRunner:
    """Train and evaluate ``cfg`` in this process and return the runner with its results.

    Args:
        cfg: The configuration.
        runner_class: The runner.
        outlook: Of the command that this run is a part of; the user is told by the first steps how long it takes.

    Raises:
        UserError: If ``cfg.deterministic`` is set and the model needs an operation that has no such form.
    """
    quiet_host_loggers()
    use_device(cfg.gpus)
    cfg.save()
    torch.use_deterministic_algorithms(False)  # BasicTS only ever switches them on
    try:
        runner = runner_class(cfg)
        runner.progress.outlook = outlook
        runner.train()
    except RuntimeError as error:
        if "deterministic" not in str(error) or not cfg.deterministic:
            raise
        operation = str(error).split(" does not have")[0].split("\n")[0][:120]
        raise UserError(
            f"--deterministic: {operation} has no form on this device that repeats to the bit; leave "
            "--deterministic out, or run on the CPU"
        ) from None
    return runner


def launch_evaluation(
    cfg: ForecastingConfig, ckpt_path: str, runner_class: type[HostRunner] = HostRunner
) -> HostRunner:
    """Evaluate a checkpoint on the test split and return the runner with its results."""
    quiet_host_loggers()
    use_device(cfg.gpus)
    runner = runner_class(cfg)
    try:
        runner.eval(ckpt_path)
    finally:
        close_run_log(runner.logger)
    return runner
