"""One run in several processes: this one starts the others, trains with them, and ends with them."""

import copy
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn

import torch
import torch.distributed as dist

from stlora_ext.bound import bound_to, end_of
from stlora_ext.errors import UserError
from stlora_ext.host.config import ForecastingConfig
from stlora_ext.host.helper import COMMAND, HOST, Task, not_handed_over
from stlora_ext.host.processes import Processes, connected
from stlora_ext.threads import TUNED_ENVIRONMENT

if TYPE_CHECKING:
    from stlora_ext.host.runner import HostRunner

_ENDS_ITSELF, _ENDS = 1.0, 5.0  # seconds that the main process has after a helper is lost: to notice, and to end
_WAKE = signal.SIGUSR1


class _Lost(Exception):
    """A helper was lost."""


@contextmanager
def helped(
    cfg: ForecastingConfig, runner_class: "type[HostRunner]", devices: Sequence[str | None]
) -> Iterator[Callable[[torch.device], Processes]]:
    """Start the processes that help this one to train a model, and end them after the ``with`` block.

    Yields what this process calls once it has built its runner, with its device; the run's processes are connected
    then.

    Args:
        cfg: The run's configuration.
        runner_class: The runner.
        devices: A GPU's number or None for each process, this one's first.

    Raises:
        UserError: If a helper meets a mistake that the user can correct.
        ChildProcessError: If one is killed.
    """
    if len(devices) == 1:
        yield lambda device: Processes()
        return
    store = _store()
    helpers = _Helpers(_tasks(cfg, runner_class, devices, store.port))
    with helpers.woken(), ExitStack() as stack:
        stack.callback(helpers.end)

        def connect(device: torch.device) -> Processes:
            helpers.wait()
            processes = stack.enter_context(connected(store, 0, len(devices), device))
            stack.callback(helpers.end)  # before this process disconnects
            return processes

        try:
            yield connect
        except (_Lost, RuntimeError):
            helpers.raise_loss()
            raise


def _store() -> dist.TCPStore:
    """Return where the processes meet, at a free port that this machine alone reaches."""
    listening = socket.create_server((HOST, 0))
    port = listening.getsockname()[1]
    return dist.TCPStore(HOST, port, is_master=True, wait_for_workers=False, master_listen_fd=listening.detach())


def _tasks(
    cfg: ForecastingConfig, runner_class: "type[HostRunner]", devices: Sequence[str | None], port: int
) -> list[bytes]:
    """Return the task of each helper."""
    tasks = []
    for rank, device in enumerate(devices[1:], start=1):
        own = copy.deepcopy(cfg)
        own.process, own.gpus = rank, device or None
        try:
            tasks.append(pickle.dumps(Task(own, runner_class, len(devices), port, torch.get_num_threads())))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise not_handed_over(error) from None
    return tasks


class _Helpers:
    """Running helpers, each watched by a thread.

    Args:
        tasks: Their tasks.
    """

    def __init__(self, tasks: Sequence[bytes]) -> None:
        self._ready = threading.Semaphore(0)
        self._over = threading.Event()
        self._known = threading.Event()
        self._losses: list[Exception] = []
        self._acting = False  # on a loss, once
        self._processes: list[subprocess.Popen] = []
        self._watches: list[threading.Thread] = []
        self._main = threading.get_ident()
        path = os.pathsep.join(folder or str(Path.cwd()) for folder in sys.path)
        tuned = TUNED_ENVIRONMENT if "OMP_WAIT_POLICY" in os.environ else {}  # as this process is
        for task in tasks:
            errors = tempfile.TemporaryFile()  # noqa: SIM115 (its watch closes it)
            process = subprocess.Popen(
                [sys.executable, "-c", COMMAND],
                env={**tuned, **os.environ, "PYTHONPATH": path},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                preexec_fn=bound_to(os.getpid()),
            )
            self._processes.append(process)
            self._watches.append(threading.Thread(target=self._watch, args=(process, task, errors), daemon=True))
            self._watches[-1].start()

    def wait(self) -> None:
        """Wait until all are ready."""
        for _ in self._processes:
            self._ready.acquire()

    @contextmanager
    def woken(self) -> Iterator[None]:
        """Let the loss of a helper end what this process does within the ``with`` block, if it is the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(_WAKE, self._interrupt)
        try:
            yield
        finally:
            signal.signal(_WAKE, before)

    def raise_loss(self) -> None:
        """Raise why helpers were lost, if any was; what this process met may be known before that is."""
        self._acting = True
        if self._known.wait(_ENDS):
            self._over.wait(_ENDS_ITSELF / 2)  # others may tell more
            raise self._reason() from None

    def _reason(self) -> Exception:
        """Return why helpers were lost: what was killed, or has a remedy, before the errors of those left alone."""
        order = (ChildProcessError, UserError, MemoryError, RuntimeError)
        return min(self._losses, key=lambda loss: order.index(type(loss)))

    def end(self) -> None:
        """End them; those that are done have ended themselves."""
        self._over.set()
        for process in self._processes:
            process.kill()
        for watch in self._watches:
            watch.join()

    def _interrupt(self, signum: int, frame: object) -> None:
        if not self._acting and not self._over.is_set():
            self._acting = True
            raise _Lost

    def _watch(self, process: subprocess.Popen, task: bytes, errors: IO[bytes]) -> None:
        """Hand a helper its task, and act where it is lost; ``errors`` is its standard error."""
        assert process.stdin is not None and process.stdout is not None
        told = False
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(task)
        with process.stdout:
            for line in process.stdout:
                try:
                    message = json.loads(line)
                except ValueError:  # what a library prints before the helper has begun
                    continue
                if "ready" in message:
                    self._ready.release()
                else:
                    told = True
                    self._lose(_failure(message))
        code = process.wait()
        with errors:
            said = _last_line(errors) if code > 0 else ""
        if code == 0 or self._over.is_set():
            return
        if not told:
            number, count = self._processes.index(process) + 2, len(self._processes) + 1
            self._lose(
                ChildProcessError(f"process {number} of the {count} that train this model: {end_of(code)}{said}")
            )
        if self._over.wait(_ENDS_ITSELF):
            return
        signal.pthread_kill(self._main, _WAKE)
        if not self._over.wait(_ENDS):
            self._end_all()

    def _lose(self, reason: Exception) -> None:
        self._losses.append(reason)
        self._known.set()

    def _end_all(self) -> NoReturn:
        """End this process, which waits for the lost one where no signal reaches it."""
        reason = str(self._reason()).splitlines()[0]
        print(f"error: {reason}; what is finished is kept, the same command goes on", file=sys.stderr, flush=True)
        os._exit(1)


def _failure(message: dict[str, str]) -> Exception:
    kind, text = next(iter(message.items()))
    return {"mistake": UserError, "memory": MemoryError}.get(kind, RuntimeError)(text)


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = errors.read().decode("utf-8", "replace").strip().splitlines()
    return f" ({lines[-1].strip()[:300]})" if lines else ""
