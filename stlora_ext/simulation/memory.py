"""Whether a simulation fits into memory, asked before it begins."""

import psutil

from stlora_ext.errors import UserError

_DEMAND = 18  # days of float32 that the week's demand takes while it is made (measured)


def check_memory(num_nodes: int, num_steps: int, interval: int, copies: int = 1) -> None:
    """Refuse a simulation that can't be held.

    Args:
        num_nodes: N.
        num_steps: T.
        interval: Minutes per step.
        copies: Times that the readings ``[T, N]`` are held at once, as float32.

    Raises:
        UserError: If it needs more memory than is free.
    """
    needed = 4 * num_nodes * (copies * num_steps + _DEMAND * 1440 // interval)
    free = psutil.virtual_memory().available
    if needed > free:
        raise UserError(
            f"{num_steps} steps of {num_nodes} nodes need {needed / 1e9:,.1f} GB of memory, "
            f"{free / 1e9:,.1f} GB are free: expected a simulation that fits; take fewer nodes or days"
        )
