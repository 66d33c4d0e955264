"""Run a command on a disk that is full from its n-th new file on.

    python tests/faults/full_disk.py N FOLDER experiments/run.py ...

The n-th file (from 1) that the command opens for writing under FOLDER, and every later one, fails as on a full disk;
N = 0 fails none. What was opened is told on standard output.
"""

import errno
import os
import runpy
import sys
from pathlib import Path

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def main() -> None:
    """Run the command."""
    first, folder = int(sys.argv[1]), Path(sys.argv[2]).resolve()
    sys.argv = sys.argv[3:]
    opened = 0

    def watch(event: str, arguments: tuple) -> None:
        nonlocal opened
        if event != "open" or not isinstance(arguments[0], str) or not arguments[2] & WRITING:
            return
        path = Path(arguments[0]).resolve()
        if folder in path.parents:
            opened += 1
            print(f"opened {opened} {path.name}", flush=True)
            if first and opened >= first:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    sys.addaudithook(watch)
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    runpy.run_path(sys.argv[0], run_name="__main__")


main()
