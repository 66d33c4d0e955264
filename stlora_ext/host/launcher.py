"""BasicTSLauncher for any runner class, on one device, or in several processes that train one model."""

from collections.abc import Sequence

import torch

from stlora_ext.errors import UserError
from stlora_ext.host.config import ForecastingConfig
from stlora_ext.host.devices import use_device
from stlora_ext.host.logs import close_run_log, quiet_host_loggers
from stlora_ext.host.parallel import helped
from stlora_ext.host.progress import Outlook
from stlora_ext.host.runner import HostRunner


def launch_training(
    cfg: ForecastingConfig,
    runner_class: type[HostRunner] = HostRunner,
    outlook: Outlook | None = None,
    devices: Sequence[str | None] = (None,),
) -> HostRunner:
    """Train and evaluate ``cfg`` in this process, helped by others where it is told, and return the runner with its
    results.

    Args:
        cfg: The configuration.
        runner_class: The runner.
        outlook: Of the command that this run is a part of; the user is told by the first steps how long it takes.
        devices: Where several processes train the model, a GPU's number or None for each; the first is ``cfg.gpus``.

    Raises:
        ChildProcessError: If one of several processes is killed.
        UserError: If ``cfg.deterministic`` is set and the model needs an operation that has no such form.
    """
    quiet_host_loggers()
    use_device(cfg.gpus)
    cfg.save()
    torch.use_deterministic_algorithms(False)  # BasicTS only ever switches them on
    try:
        with helped(cfg, runner_class, devices) as connect:
            runner = runner_class(cfg)
            runner.progress.outlook = outlook
            runner.processes = connect(runner.device)
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
