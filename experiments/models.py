"""List every model: its name, and the package that holds it.

python experiments/models.py
"""

import argparse
from collections.abc import Sequence

from entry import Parser, command

from stlora_ext.config.backbones import BACKBONES


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    return Parser(prog="experiments/models.py", description=__doc__)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser().parse_args(argv)
    for name, listed in BACKBONES.items():
        print(f"{name}, {name}+: {listed.module}")


if __name__ == "__main__":
    command(main)
