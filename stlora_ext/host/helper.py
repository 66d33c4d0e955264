"""A process that helps another to train one model: ``python -c "from stlora_ext.host.helper import help_train; ..."``.

It reads its task from standard input, says on standard output that it is ready, or why it failed, and writes nothing
else. It ends with the process that it helps.
"""

import json
import os
import pickle
import signal
import sys
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from stlora_ext.config.plugins import load_plugins
from stlora_ext.errors import UserError
from stlora_ext.host.config import ForecastingConfig
from stlora_ext.host.devices import use_device
from stlora_ext.host.logs import quiet_host_loggers
from stlora_ext.host.processes import connected

if TYPE_CHECKING:
    from stlora_ext.host.runner import HostRunner

HOST = "127.0.0.1"
COMMAND = "from stlora_ext.host.helper import help_train; help_train()"


@dataclass(frozen=True)
class Task:
    """What a helping process is given.

    Attributes:
        cfg: The run's configuration, with the helper's number and GPU.
        runner_class: The runner.
        count: How many processes train the model.
        port: Where they meet.
        threads: CPU threads of each.
    """

    cfg: ForecastingConfig
    runner_class: "type[HostRunner]"
    count: int
    port: int
    threads: int


def help_train() -> None:
    """Do the task that standard input holds."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the main process, which ends this one
    said = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what is printed isn't said

    def say(**message: str) -> None:
        said.write(json.dumps(message) + "\n")
        said.flush()

    try:
        load_plugins()
        task = _read_task()
        torch.set_num_threads(task.threads)
        quiet_host_loggers()
        use_device(task.cfg.gpus)
        runner = task.runner_class(task.cfg)
        say(ready="")
        store = dist.TCPStore(HOST, task.port, is_master=False)
        with connected(store, task.cfg.process, task.count, runner.device) as runner.processes:
            runner.train()
    except UserError as error:
        say(mistake=str(error))
        sys.exit(1)
    except MemoryError as error:
        say(memory=str(error))
        sys.exit(1)
    except Exception as error:
        say(failure=f"{error or type(error).__name__}\n{traceback.format_exc()}")
        sys.exit(1)


def _read_task() -> Task:
    try:
        return pickle.load(sys.stdin.buffer)  # from the process that started this one
    except (AttributeError, ImportError) as error:
        raise not_handed_over(error) from None


def not_handed_over(error: Exception) -> UserError:
    """Return the error of a configuration that can't be handed to another process."""
    return UserError(
        f"several processes: the configuration can't be handed to another process ({error}); define its classes at the "
        "top of a module that can be imported"
    )
