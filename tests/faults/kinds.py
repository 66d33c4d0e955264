"""The faults: each breaks a run, looks at what it says, and returns what the same command then ends with."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.faults.cell import ROOT, Cell, ended, expect, outcome, record_path, run_folder, until

LAUNCHER = ROOT / "tests" / "faults" / "full_disk.py"
Fault = Callable[[Cell, Path], dict[str, Any]]


def killed(seconds: float) -> Fault:
    """SIGKILL after ``seconds``."""

    def fault(cell: Cell, results: Path) -> dict[str, Any]:
        process = cell.start(results)
        time.sleep(seconds)
        process.kill()
        ended(process)
        return cell.finish(results)

    return fault


def stopped(number: int, code: int, word: str) -> Fault:
    """Ctrl-C or SIGTERM after the first epoch: one line, and the exit code of that signal."""

    def fault(cell: Cell, results: Path) -> dict[str, Any]:
        process = cell.start(results, preexec_fn=_mind_interrupts)
        expect(until(process, results, "last.pt"), "ended before it could be stopped")
        process.send_signal(number)
        line = ended(process).refusal(code)
        expect(line.startswith(f"{word}: what is finished is kept"), f"said: {line}")
        return cell.finish(results)

    return fault


def without_space_from(file: int) -> Fault:
    """The disk full from the ``file``-th file on that the run opens for writing."""

    def fault(cell: Cell, results: Path) -> dict[str, Any]:
        line = ended(_watched(cell, results, file)).refusal(1)
        expect(line.startswith("error: No space left on device: "), f"said: {line}")
        return cell.finish(results)

    return fault


def files_written(cell: Cell, results: Path) -> int:
    """Return how many files a run opens for writing."""
    stdout, _ = _watched(cell, results, 0).communicate()
    return sum(line.startswith("opened ") for line in stdout.splitlines())


def within(kilobytes: int) -> Fault:
    """A file system of that size, which fills up in the middle of a write. For root, who may mount one."""

    def fault(cell: Cell, results: Path) -> dict[str, Any]:
        with _mounted(results, kilobytes):
            done = cell.run(results)
            if done.code:
                line = done.refusal(1)
                expect(line.startswith("error: No space left on device"), f"said: {line}")
            _mount("-o", "remount,size=64m", results)
            return cell.finish(results)

    return fault


def may_mount() -> bool:
    """Whether this process may mount a file system."""
    return os.geteuid() == 0 and shutil.which("mount") is not None and shutil.which("umount") is not None


def damaged(file: str, share: float) -> Fault:
    """A checkpoint cut to a share of its bytes: refused by name; deleting it, and what goes on from it, mends it.

    A best.pt that a better one replaces before it is needed isn't missed.
    """

    def fault(cell: Cell, results: Path) -> dict[str, Any]:
        folder = _in_the_middle(cell, results)
        path = folder / file
        os.truncate(path, int(share * path.stat().st_size))
        done = cell.run(results)
        if done.code == 0 and file == "best.pt":
            return outcome(results)
        line = done.refusal(2)
        expect(f"checkpoint {path} is damaged" in line and "delete it to start this run again" in line, f"said: {line}")
        path.unlink()
        if file == "best.pt":
            _refused(cell, results, f"checkpoint {path} is gone", "delete last.pt too")
            (folder / "last.pt").unlink()
        return cell.finish(results)

    return fault


def deleted(file: str) -> Fault:
    """A file of a run that was interrupted is gone."""

    def fault(cell: Cell, results: Path) -> dict[str, Any]:
        folder = _in_the_middle(cell, results)
        (folder / file).unlink()
        if file == "best.pt":
            _refused(cell, results, f"checkpoint {folder / file} is gone", "delete last.pt too")
            (folder / "last.pt").unlink()
        return cell.finish(results)

    return fault


def record_cut(share: float) -> Fault:
    """The record of a finished run cut to a share of its bytes: refused by name; deleting it mends it."""

    def fault(cell: Cell, results: Path) -> dict[str, Any]:
        cell.finish(results)
        path = record_path(results)
        os.truncate(path, int(share * path.stat().st_size))
        _refused(cell, results, f"record {path} is damaged", "delete it and repeat the run")
        path.unlink()
        return cell.finish(results)

    return fault


def read_only(cell: Cell, results: Path) -> dict[str, Any]:
    """A folder of results that may not be written to; root may write to any, so for root a file system."""
    if os.geteuid():
        results.mkdir()
        results.chmod(0o555)
        _stopped_by(cell, results, "Permission denied")
        results.chmod(0o755)
        return cell.finish(results)
    with _mounted(results, 1 << 16):
        _mount("-o", "remount,ro", results)
        _stopped_by(cell, results, "Read-only file system")
        _mount("-o", "remount,rw", results)
        return cell.finish(results)


def twice_at_once(cell: Cell, results: Path) -> dict[str, Any]:
    """Two processes on one run: one does it, the other is told so."""
    first = cell.start(results)
    expect(until(first, results, "cfg.json"), "ended before the second began")
    first.send_signal(signal.SIGSTOP)  # lest it ends before the second has even loaded
    try:
        _refused(cell, results, "another process is running", "wait for it, or stop it first")
    finally:
        first.send_signal(signal.SIGCONT)
    done = ended(first)
    expect(done.code == 0, f"the first ended with {done.code}: {done.stderr[-300:]}")
    return outcome(results)


def _mind_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores it; children inherit that


def _in_the_middle(cell: Cell, results: Path) -> Path:
    """Kill a run after its first epoch, and return its folder."""
    process = cell.start(results)
    expect(until(process, results, "last.pt"), "ended before it could be killed")
    process.kill()
    ended(process)
    return run_folder(results)


def _refused(cell: Cell, results: Path, *parts: str) -> None:
    line = cell.run(results).refusal(2)
    expect(line.startswith("error: ") and all(part in line for part in parts), f"said: {line}")


def _stopped_by(cell: Cell, results: Path, reason: str) -> None:
    line = cell.run(results).refusal(1)
    expect(line.startswith(f"error: {reason}: {results}"), f"said: {line}")
    expect(not list(results.iterdir()), "wrote into it")


def _watched(cell: Cell, results: Path, file: int) -> subprocess.Popen:
    command = cell.command(results)
    return cell.start(results, command=[sys.executable, str(LAUNCHER), str(file), str(results), *command[1:]])


@contextmanager
def _mounted(folder: Path, kilobytes: int) -> Iterator[None]:
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _mount(*arguments: object) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


def random_moments(count: int, longest: float, seed: int) -> list[float]:
    """Return ``count`` moments between 0 and ``longest`` seconds."""
    generator = random.Random(seed)
    return [generator.uniform(0, longest) for _ in range(count)]
