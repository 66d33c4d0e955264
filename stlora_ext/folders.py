"""Where a clone keeps its configs, its data sets and its results, and what a folder of them can be called."""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "datasets"
RESULTS = ROOT / "results"
_NAME = re.compile(r"[^/\\\x00-\x1f.][^/\\\x00-\x1f]*")  # one part of a path


def is_name(value: Any) -> bool:
    """Return whether ``value`` can be a part of a run's path."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None
