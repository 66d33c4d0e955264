"""What the command of this folder imports first: the repository's own packages and commands, installed or not."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / folder) for folder in (".", "datasets", "experiments")]

from stlora_ext.cli import Parser, command  # noqa: E402

__all__ = ["Parser", "command"]
