"""The devices that a command names: the CPU, or GPUs by their numbers."""

import torch
from easytorch.device import set_device_type

from stlora_ext.cli import is_number
from stlora_ext.errors import UserError


def refuse_absent_gpu(gpu: str) -> None:
    """Refuse a GPU, named by its number, that isn't there.

    Raises:
        UserError: If it isn't, with the number of those that are.
    """
    count = torch.cuda.device_count()
    if int(gpu) >= count:
        raise UserError(
            f"--gpus {gpu}: this machine has {count or 'no'} CUDA GPU{'s' * (count != 1)}; on the CPU: "
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
            f"--gpus {gpus}: expected the number of one GPU, such as 0; several train one model in run.py, and the "
            "runs of a sweep side by side in sweep.py"
        )
    refuse_absent_gpu(gpus)
    set_device_type("gpu")
    torch.cuda.set_device(int(gpus))


def use_devices(gpus: str | None, processes: int | None) -> None:
    """Select the devices of a run: the CPU, for one process or several, or GPUs, a process each.

    Args:
        gpus: Numbers of GPUs, "0" or "0,1"; None or "": the CPU.
        processes: How many processes were asked for; None: it wasn't said.

    Raises:
        UserError: If a GPU isn't there or is named twice, or processes are counted beside GPUs.
    """
    if not gpus:
        set_device_type("cpu")
        return
    numbers = gpus.split(",")
    if not all(map(is_number, numbers)) or len(set(map(int, numbers))) < len(numbers):
        raise UserError(f"--gpus {gpus}: expected numbers of GPUs such as 0 or 0,1, each once")
    if processes is not None:
        raise UserError(
            f"--processes {processes}: not with --gpus {gpus}, where every GPU has a process of its own; leave it out"
        )
    for gpu in numbers:
        refuse_absent_gpu(gpu)
    use_device(numbers[0])
