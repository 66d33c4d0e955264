"""Thread and allocation settings of the process; they act only if set before torch loads.

Backward passes free and map the same large blocks again and again: with glibc's default thresholds a
training epoch of a small model spends a sixth of its time in page faults. OpenMP's spinning workers make a
two-thread step several times slower as soon as another process is busy; workers that sleep at once make small steps
slower on an idle machine. Ours spin for some microseconds.
"""

import ctypes
import os
import sys

from stlora_ext.errors import UserError

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
MOST_THREADS = 1024
_MMAP_THRESHOLD, _TRIM_THRESHOLD = 1 << 30, (1 << 31) - 1
_LARGE = 1 << 22  # bytes of a block
_keeps = False  # whether the settings are in force by which freed memory stays in the process
# The same settings for a process that doesn't call apply_tuning().
TUNED_ENVIRONMENT = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "2000",
    "MALLOC_MMAP_THRESHOLD_": str(_MMAP_THRESHOLD),
    "MALLOC_TRIM_THRESHOLD_": str(_TRIM_THRESHOLD),
}


def apply_tuning(enabled: bool = True) -> bool:
    """Keep freed memory in the process and let idle OpenMP workers sleep soon.

    Variables that the user has set win. The environment variable ``STLORA_TUNING=off`` switches it off.

    Returns:
        bool: Whether the settings are in force.

    Raises:
        RuntimeError: If torch is loaded already.
    """
    global _keeps
    if not enabled or os.environ.get("STLORA_TUNING", "").lower() == "off":
        return False
    if "torch" in sys.modules:
        raise RuntimeError("apply_tuning() must be called before torch is imported")
    if "OMP_WAIT_POLICY" not in os.environ:
        for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
            os.environ.setdefault(name, TUNED_ENVIRONMENT[name])
    if sys.platform == "linux" and "MALLOC_MMAP_THRESHOLD_" not in os.environ:
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)
            libc.mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD)
            _keeps = True
    return True


def give_back_large_blocks() -> None:
    """Give blocks of 4 MiB and more back to the system as soon as they are freed, from now on.

    Kept in the process, they leave gaps: it may hold twice what its tensors take. A step takes longer so, since its
    memory is mapped anew. Where ``apply_tuning`` has changed nothing, this changes nothing either.
    """
    if _keeps:
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)


def set_threads(threads: int | None, processes: int = 1) -> int:
    """Set torch's intra-op threads and return the number in force.

    Args:
        threads: Of each process; None: torch's own choice, shared out among the processes.
        processes: How many processes will compute.

    Raises:
        UserError: If ``threads`` is more than any machine has.
    """
    import torch

    if threads is not None and threads > MOST_THREADS:
        raise UserError(f"--threads {threads}: expected at most {MOST_THREADS}")
    if threads is None and processes > 1:
        threads = max(1, torch.get_num_threads() // processes)
    if threads is not None:
        torch.set_num_threads(threads)
    return torch.get_num_threads()
