"""What sweep.py runs its jobs on: this machine's GPUs or CPU, or a Ray cluster; its options."""

import argparse
import os
from collections.abc import Container, Sequence
from typing import NamedTuple

from stlora_ext.cli import gpus, is_number, positive
from stlora_ext.errors import UserError
from stlora_ext.folders import ROOT
from stlora_ext.sweep.engine import Engine, Local


class Chosen(NamedTuple):
    """An engine, in words, and the kinds of hardware whose finished runs tell how long its jobs take."""

    engine: Engine
    where: str
    hardware: Container[str]


class AnyHardware:
    """Every kind of GPU, or of CPU: which nodes a cluster will give isn't known beforehand.

    Args:
        gpu: Whether GPUs.
    """

    def __init__(self, gpu: bool) -> None:
        self._gpu = gpu

    def __contains__(self, name: object) -> bool:
        return str(name).startswith("CPU ") != self._gpu


def gpu_share(text: str) -> float:
    """Parse 1 or a share of a GPU.

    Raises:
        argparse.ArgumentTypeError: On anything else.
    """
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if 0 < share <= 1:
        return share
    raise argparse.ArgumentTypeError(f"'{text}' is not 1, the GPU of a run, or a share of it such as 0.5")


def add_engines(parser: argparse.ArgumentParser) -> None:
    """Add ``--gpus``, ``--jobs``, ``--threads``, ``--ray`` and ``--gpus-per-cell``."""
    parser.add_argument("--gpus", type=gpus, default="", metavar="N,N", help="runs on these GPUs; '' or none: CPU")
    parser.add_argument(
        "--jobs",
        type=positive,
        metavar="J",
        help="runs side by side: on each GPU or on the CPU (default: 1), on a cluster (default: what its nodes hold)",
    )
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="T",
        help="CPU threads of a run (default: shared out evenly); on a cluster the CPUs that it asks for (default: 1)",
    )
    parser.add_argument("--ray", metavar="ADDRESS", help="run on this Ray cluster: auto, HOST:PORT or ray://HOST:PORT")
    parser.add_argument(
        "--gpus-per-cell",
        type=gpu_share,
        metavar="G",
        help="with --ray: 1, or a share of a GPU such as 0.5 (default: the CPU)",
    )


def refuse_contradictions(args: argparse.Namespace) -> None:
    """Refuse options that don't fit together or this machine, before anything is planned.

    Raises:
        UserError: If there are such.
    """
    if args.ray is None:
        if args.gpus_per_cell is not None:
            raise UserError(
                f"--gpus-per-cell {args.gpus_per_cell:g}: only a cluster shares out GPUs (--ray ADDRESS); "
                "here --gpus 0,1 names them"
            )
        workers(args)
    elif args.gpus:
        raise UserError(
            f"--gpus {args.gpus}: names GPUs of this machine; with --ray a run asks for one by --gpus-per-cell 1"
        )
    if args.cuda_graphs and not (args.gpus or args.gpus_per_cell):
        raise UserError(
            "--cuda-graphs: the CPU has no such thing; name GPUs (--gpus 0; of a cluster --gpus-per-cell "
            "1) or leave it out"
        )


def chosen(args: argparse.Namespace) -> Chosen:
    """Return what ``args`` name; a cluster is joined.

    Raises:
        UserError: If that isn't possible.
    """
    if args.ray is not None:
        from stlora_ext.sweep.ray_engine import RayEngine

        engine = RayEngine(
            args.ray,
            args.threads or 1,
            args.gpus_per_cell or 0,
            args.jobs,
            ROOT,
            args.data.resolve(),
            args.results.resolve(),
        )
        return Chosen(
            engine,
            f"the Ray cluster, {engine.places()} side by side, {engine.share()} each",
            AnyHardware(bool(args.gpus_per_cell)),
        )
    gpus, threads = workers(args)
    extra = [[*(["--gpus", gpu] if gpu else []), "--threads", str(threads)] for gpu in gpus]
    jobs = args.jobs or 1
    where = (
        f"GPU {' and '.join(dict.fromkeys(gpus))}, each {jobs} run{'s' * (jobs > 1)} at a time"
        if gpus[0]
        else f"the CPU, {jobs} side by side"
    )
    return Chosen(
        Local(extra, threads, ROOT, args.results.resolve()),
        f"{where}, {threads} thread{'s' * (threads > 1)} each",
        hardware_of(gpus),
    )


def workers(args: argparse.Namespace) -> tuple[list[str], int]:
    """Return the GPU of every worker of this machine ("": CPU), and the CPU threads of each.

    Raises:
        UserError: If a GPU isn't there, or is named twice.
    """
    gpus = args.gpus.split(",")
    if args.gpus:
        if not all(map(is_number, gpus)) or len(set(gpus)) < len(gpus):
            raise UserError(f"--gpus {args.gpus}: expected numbers of GPUs such as 0,1, each once")
        from stlora_ext.host.devices import refuse_absent_gpu

        for gpu in gpus:
            refuse_absent_gpu(gpu)
    gpus *= args.jobs or 1  # the first jobs go to different GPUs
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return gpus, args.threads or max(1, cores // len(gpus))


def hardware_of(gpus: Sequence[str]) -> set[str]:
    """Return the kinds of hardware of the workers."""
    import torch

    from stlora_ext.runs.provenance import hardware

    return {hardware(torch.device("cuda", int(gpu)) if gpu else torch.device("cpu")) for gpu in gpus}
