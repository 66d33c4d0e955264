"""What a data set can be called: its name is a folder under datasets/, experiments/ and results/."""

import re
from typing import Any

from stlora_ext.errors import UserError

RESERVED = (
    "published",
    "screening",
    "heterogeneity",
    "benchmarks",
    "demo",  # folders of results/
    "preparation",
    "simulation",
    "__pycache__",
)  # and of datasets/
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def is_reserved(name: str) -> bool:
    """Return whether a folder of the project has this name, in any case of letters: a file system may ignore it."""
    return name.lower() in RESERVED


def check_dataset_name(name: Any) -> str:
    """Return ``name`` if a data set can be called so.

    Raises:
        UserError: If not.
    """
    if isinstance(name, str) and is_reserved(name):
        raise UserError(
            f"data set {name!r}: expected a name such as PEMS08, and none of {', '.join(RESERVED)}, which "
            "are folders of this project; choose another name"
        )
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserError(
            f"data set {name!r}: expected a name such as PEMS08, of letters, digits, '-', '_' and '.', "
            "beginning with a letter or digit"
        )
    return name
