"""One process a run: the lock in a run's folder."""

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stlora_ext.errors import UserError
from stlora_ext.files import not_a_link

LOCK = ".lock"


def is_running(run_dir: Path) -> bool:
    """Whether a process works on the run of this folder."""
    try:
        if (run_dir / LOCK).is_symlink():  # train_run refuses it
            return False
        with open(run_dir / LOCK, encoding="utf-8", opener=not_a_link) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError as error:
        raise _no_locks(run_dir, error) from None
    return False


@contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """Hold the run's folder against other processes; the lock goes with the process, however it ends.

    Raises:
        UserError: If another process holds it, or it is a link.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    if (run_dir / LOCK).is_symlink():
        raise UserError(f"{run_dir / LOCK} is a link, which is never followed: delete it")
    with open(run_dir / LOCK, "w", encoding="utf-8", opener=not_a_link) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another process is running {run_dir}: wait for it, or stop it first") from None
        except OSError as error:
            raise _no_locks(run_dir, error) from None
        # Writing into the records' folder makes an NFS client see those that other nodes have just written there.
        tempfile.TemporaryFile(dir=run_dir.parent).close()
        yield


def _no_locks(run_dir: Path, error: OSError) -> UserError:
    return UserError(
        f"{run_dir} is on a file system that takes no locks ({error.strerror}): have it mounted with "
        "flock, or write to another one with --results DIR"
    )
