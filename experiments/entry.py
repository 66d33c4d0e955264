"""What each command of this folder imports first: the repository's own packages, installed or not."""

import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from stlora_ext import cli
from stlora_ext.cli import command
from stlora_ext.config.plugins import VARIABLE

__all__ = ["Parser", "command"]


class Parser(cli.Parser):
    """The command line of every command here: ``--plugins`` brings models of the user's."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_argument(
            "--plugins",
            type=Path,
            metavar="FILE",
            help=f"Python file that registers models of your own (default: the one that {VARIABLE} names, if any)",
        )

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and name the file to all that asks for models, in this process and those that it starts."""
        parsed, rest = super().parse_known_args(args, namespace)
        if parsed.plugins is not None:
            os.environ[VARIABLE] = str(parsed.plugins.resolve())
        return parsed, rest
