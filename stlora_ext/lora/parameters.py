"""Counting parameters: the backbone's, the adapter's, and those of each module."""

from collections import Counter
from typing import Any

from torch import nn

from stlora_ext.lora.model import STLoRA, parameter_counts
from stlora_ext.wrapped import unwrapped

CLAIM_PERCENT = 1.0  # the paper: the adapter adds about 1 % of the backbone's parameters


def module_counts(model: nn.Module) -> dict[str, int]:
    """Count the parameters of each top-level child of ``model``; a tensor that it holds itself counts under its name.

    Returns:
        dict: Counts by name, in the order of the modules; their sum is the model's count, a shared tensor counted once.
    """
    counts: Counter[str] = Counter()
    for name, parameter in model.named_parameters():
        counts[name.partition(".")[0]] += parameter.numel()
    return dict(counts)


def parameter_report(model: nn.Module) -> dict[str, Any]:
    """Count a model's parameters, with or without adapter, wrapped or not.

    Returns:
        dict: What ``parameter_counts`` returns, and ``modules``: for ``backbone`` and, where there is one, ``adapter``,
            the counts by module.
    """
    model = unwrapped(model)
    parts = {"backbone": model.backbone, "adapter": model.adapter} if isinstance(model, STLoRA) else {"backbone": model}
    return {
        **parameter_counts(model),
        "modules": {part: module_counts(unwrapped(module)) for part, module in parts.items()},
    }


def module_lines(modules: dict[str, dict[str, int]]) -> list[str]:
    """Return one line per part of ``modules``, as ``backbone: embed 64, lstm 58,368``; a part without any says none."""
    return [
        f"{part}: " + (", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none")
        for part, counts in modules.items()
    ]
