"""Options that the commands share."""

import argparse
import os
from pathlib import Path
from typing import Any

from stlora_ext.cli import Parser, gpus, positive
from stlora_ext.errors import UserError
from stlora_ext.folders import DATA, RESULTS

PLUGINS = "STLORA_PLUGINS"  # the environment variable that names the plug-in file


class ModelParser(Parser):
    """The command line of a command that knows models: ``--plugins`` brings the user's."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_argument(
            "--plugins",
            type=Path,
            metavar="FILE",
            help=f"Python file that registers models of your own (default: the one that {PLUGINS} names, if any)",
        )

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and name the file to all that asks for models, in this process and those that it starts."""
        parsed, rest = super().parse_known_args(args, namespace)
        if parsed.plugins is not None:
            os.environ[PLUGINS] = str(parsed.plugins.resolve())
        return parsed, rest


def add_folders(parser: argparse.ArgumentParser, results_help: str, results: Path = RESULTS) -> None:
    """Add ``--data`` and ``--results``.

    Args:
        parser (argparse.ArgumentParser): Command line to extend.
        results_help (str): What the command does with ``--results``.
        results (Path): Default of ``--results``.
    """
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="where prepared data sets lie")
    parser.add_argument("--results", type=Path, default=results, metavar="DIR", help=results_help)


def folder_arguments(results: Path, data: Path) -> list[str]:
    """Return the arguments that name folders other than the usual ones."""
    return [
        text
        for option, folder, usual in (("--results", results, RESULTS), ("--data", data, DATA))
        if folder.resolve() != usual
        for text in (option, str(folder))
    ]


def add_horizons(parser: argparse.ArgumentParser) -> None:
    """Add ``--horizons``."""
    parser.add_argument(
        "--horizons",
        type=positive,
        nargs="+",
        metavar="STEP",
        help="steps to show (default: a quarter, half and all of the forecast)",
    )


def add_experiment(parser: argparse.ArgumentParser) -> None:
    """Add ``--config`` and, in its place, ``--dataset`` and ``--model``."""
    parser.add_argument("-c", "--config", type=Path, metavar="FILE", help="config file, experiments/DATASET/MODEL.py")
    parser.add_argument(
        "--dataset",
        metavar="NAME",
        help="instead of -c, with --model: a data set; uses their config file if any, else usual settings",
    )
    parser.add_argument("--model", metavar="NAME", help="instead of -c, with --dataset: a model; NAME+ with adapter")


def add_device(parser: argparse.ArgumentParser, gpus_help: str = "number of the GPU; '' or none: CPU") -> None:
    """Add ``--gpus``, with what ``gpus_help`` says of it, and ``--threads``."""
    parser.add_argument("--gpus", type=gpus, default="", metavar="N", help=gpus_help)
    parser.add_argument("--threads", type=positive, metavar="T", help="CPU threads (default: torch's choice)")


def add_save_results(parser: argparse.ArgumentParser) -> None:
    """Add ``--save-results`` and ``--format``."""
    parser.add_argument("--save-results", action="store_true", help="keep the test set's forecasts as .npy files")
    parser.add_argument(
        "--format",
        choices=("npy", "csv"),
        help="of --save-results; csv: beside the arrays a table, forecasts.csv, with times and names",
    )


def check_save_results(args: argparse.Namespace) -> None:
    """Refuse a format of forecasts that aren't kept.

    Raises:
        UserError: If one is given.
    """
    if args.format is not None and not args.save_results:
        raise UserError(f"--format {args.format}: only --save-results writes forecasts; add it, or leave --format out")


def add_set(parser: argparse.ArgumentParser, said: str) -> None:
    """Add ``--set``, with what ``said`` says of it."""
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", dest="assignments", help=said)


def given_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of ``--set``, ``--epochs``, ``--batch-size``, ``--bf16`` and ``--seeds``, by name.

    Raises:
        UserError: If one isn't key=value, or two of them say different things.
    """
    from stlora_ext.fields import parse_assignments

    settings = parse_assignments(args.assignments)
    seeds = list(dict.fromkeys(seed for seeds in args.seeds or () for seed in seeds))
    for name, option, value in (
        ("num_epochs", "--epochs", args.epochs),
        ("batch_size", "--batch-size", args.batch_size),
        ("bf16", "--bf16", args.bf16 or None),
        ("seeds", "--seeds", seeds or None),
    ):
        if value is None:
            continue
        other = settings.setdefault(name, value)
        if (list(other) if isinstance(other, tuple) else other) != value:
            raise UserError(f"{option} contradicts --set {name}={other}: leave one of them out")
    return settings
