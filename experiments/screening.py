"""The adapter settings that experiments/screen.py compares: 24, each a name, an arm and what differs from the first.

The control and wide arms are those of the first setting, and of the first with both times.
"""

from typing import Any

from stlora_ext.config.experiment import ArmName

_FIRST = {
    "sharing": "embedding",
    "num_embeddings": 8,
    "rank": 2,
    "layers": 2,
    "width": 32,
    "x": "both",
    "activation": "identity",
    "time_of_day": False,
    "day_of_week": False,
}
_TIMES = {"time_of_day": True, "day_of_week": True}

SETTINGS: dict[str, tuple[ArmName, dict[str, Any]]] = {
    "embedding": ("plus", _FIRST),
    "embedding, X window": ("plus", {**_FIRST, "x": "window"}),
    "embedding, X forecast": ("plus", {**_FIRST, "x": "forecast"}),
    "embedding, X + time of day": ("plus", {**_FIRST, "time_of_day": True}),
    "embedding, X + both times": ("plus", {**_FIRST, **_TIMES}),
    "embedding, outer ReLU": ("plus", {**_FIRST, "activation": "relu"}),
    "embedding, 1 layer": ("plus", {**_FIRST, "layers": 1}),
    "embedding, 3 layers, k 4": ("plus", {**_FIRST, "layers": 3, "num_embeddings": 4}),
    "embedding, rank 1": ("plus", {**_FIRST, "rank": 1}),
    "embedding, rank 4, k 4": ("plus", {**_FIRST, "rank": 4, "num_embeddings": 4}),
    "embedding, rank 8, width 16": ("plus", {**_FIRST, "rank": 8, "width": 16}),
    "embedding, k 16, 1 layer, width 24": ("plus", {**_FIRST, "num_embeddings": 16, "layers": 1, "width": 24}),
    "vector, rank 2": ("plus", {**_FIRST, "sharing": "vector"}),
    "vector, rank 8": ("plus", {**_FIRST, "sharing": "vector", "rank": 8}),
    "vector, rank 8, outer ReLU": ("plus", {**_FIRST, "sharing": "vector", "rank": 8, "activation": "relu"}),
    "vector, rank 8, X + both times": ("plus", {**_FIRST, **_TIMES, "sharing": "vector", "rank": 8}),
    "node, rank 1, width 16": ("plus", {**_FIRST, "sharing": "node", "rank": 1, "width": 16}),
    "node, rank 1, width 16, X + both times": ("plus", {**_FIRST, **_TIMES, "sharing": "node", "rank": 1, "width": 16}),
    "node, rank 1, 1 layer, width 24": ("plus", {**_FIRST, "sharing": "node", "rank": 1, "width": 24, "layers": 1}),
    "embedding, outer ReLU, X + both times": ("plus", {**_FIRST, **_TIMES, "activation": "relu"}),
    "control": ("control", _FIRST),
    "wide": ("wide", _FIRST),
    "control, X + both times": ("control", {**_FIRST, **_TIMES}),
    "wide, X + both times": ("wide", {**_FIRST, **_TIMES}),
}
