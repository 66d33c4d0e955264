"""Every backbone that ships: where it is, and its published training settings. It is imported when it is asked for.

A line of your own, with the module that holds the class ``NAME`` and its config ``NAMEConfig``, adds a backbone to all
commands. ``arch`` names the class where it is called otherwise.
"""

from dataclasses import dataclass, field
from typing import Any

from stlora_ext.config.training import TrainingSettings


@dataclass(frozen=True)
class Listed:
    """A backbone that isn't imported yet.

    Attributes:
        module: Holds the class ``NAME``, its config ``NAMEConfig`` and, where settings follow from the window's
            lengths, ``of_lengths``.
        training: Published training settings.
        more: Further arguments of ``register``.
        arch: Name of the class, and of its config without ``Config``; "": the backbone's own.
    """

    module: str
    training: TrainingSettings = TrainingSettings()
    more: dict[str, Any] = field(default_factory=dict)
    arch: str = ""


BACKBONES = {
    "HA": Listed("baselines.HA", more={"fitted": True, "deterministic": True}),
    "HA-week": Listed("baselines.HAWeek", more={"fitted": True, "deterministic": True}, arch="HAWeek"),
    "VAR": Listed("baselines.VAR", more={"fitted": True, "deterministic": True}),
    "SVR": Listed("baselines.SVR", more={"fitted": True}),
    "LSTM": Listed(
        "baselines.LSTM",
        TrainingSettings(lr=1e-3, weight_decay=5e-4, clip_grad_norm=5.0, lr_milestones=(50, 80)),
        {"tested_with": ("compile", "bf16", "cuda-graphs"), "unused": {"dropout": ("num_layers", 1)}},
    ),
    "STGCN": Listed(
        "baselines.STGCN",
        TrainingSettings(lr=4e-4, weight_decay=3e-4, lr_milestones=(1, 50), batch_size=16),
        {"tested_with": ("compile", "cuda-graphs")},
    ),
    "GWNet": Listed(
        "baselines.GWNet",
        TrainingSettings(lr=2e-3, weight_decay=1e-4, clip_grad_norm=5.0, lr_milestones=(1, 50), batch_size=16),
        {"tested_with": ("cuda-graphs",), "unused": {"adaptive_rank": ("adaptive", False)}},
    ),
    "AGCRN": Listed("baselines.AGCRN", TrainingSettings(lr=3e-3), {"tested_with": ("compile", "bf16", "cuda-graphs")}),
    "STAE": Listed(
        "baselines.STAE",
        TrainingSettings(lr=1e-3, weight_decay=3e-4, lr_milestones=(20, 25), lr_gamma=0.1, batch_size=16),
        {"tested_with": ("cuda-graphs",)},
    ),
    "D2STGNN": Listed(
        "baselines.D2STGNN",
        TrainingSettings(
            lr=2e-3,
            weight_decay=1e-5,
            clip_grad_norm=5.0,
            lr_milestones=(1, 30, 38, 46, 54, 62, 70, 80),
            batch_size=16,
            curriculum_warm_up=30,
            curriculum_every=3,
        ),
        {"tested_with": ("cuda-graphs",)},
    ),
}
