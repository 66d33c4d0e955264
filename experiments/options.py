"""Options that the commands share."""

import argparse
from pathlib import Path

from experiments.data import DATA, RESULTS
from stlora_ext.cli import positive


def add_folders(parser: argparse.ArgumentParser, results_help: str, results: Path = RESULTS) -> None:
    """Add ``--data`` and ``--results``.

    Args:
        parser (argparse.ArgumentParser): Command line to extend.
        results_help (str): What the command does with ``--results``.
        results (Path): Default of ``--results``.
    """
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="where prepared data sets lie")
    parser.add_argument("--results", type=Path, default=results, metavar="DIR", help=results_help)


def add_horizons(parser: argparse.ArgumentParser) -> None:
    """Add ``--horizons``."""
    parser.add_argument("--horizons", type=positive, nargs="+", metavar="STEP",
                        help="steps to show (default: a quarter, half and all of the forecast)")


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add ``--gpus`` and ``--threads``."""
    parser.add_argument("--gpus", default="", metavar="N", help="number of the GPU; '' or absent: CPU")
    parser.add_argument("--threads", type=positive, metavar="T", help="CPU threads (default: torch's choice)")
