"""What each command of this folder imports first: the repository's own packages, installed or not."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from stlora_ext.cli import Parser, command

__all__ = ["Parser", "command"]
