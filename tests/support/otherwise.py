"""What happens behind a program's back: data prepared otherwise, a run that is interrupted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from stlora_ext.data.fingerprint import read_fingerprint
from stlora_ext.data.prepared import load_meta


def prepared_otherwise(data: Path, name: str) -> Path:
    """Change the readings of a prepared data set and its fingerprint with them, as another preparation would."""
    path = data / name / "train_data.npy"
    np.save(path, np.load(path) * np.float32(1.25))
    return described_anew(data, name)


def described_anew(data: Path, name: str) -> Path:
    """Give a prepared data set the fingerprint of the arrays that lie there now."""
    meta = data / name / "meta.json"
    content = json.loads(meta.read_text())
    content["stlora"]["fingerprint"] = read_fingerprint(data, load_meta(data, name))
    meta.write_text(json.dumps(content))
    return data


def interrupt_after(method: Callable[..., Any], times: int = 1) -> Callable[..., Any]:
    """Return ``method``, which ends the run as Ctrl-C does once it has been called ``times`` times."""
    calls = []

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        result = method(*args, **kwargs)
        calls.append(1)
        if len(calls) == times:
            raise KeyboardInterrupt
        return result

    return interrupted
