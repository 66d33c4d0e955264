"""Every backbone of ours: where it is, and its published training settings. BasicTS's are in ``basicts_models``.

A line of your own adds a backbone to all commands.
"""

from typing import Any

from stlora_ext.config.backbone import Backbone
from stlora_ext.config.training import TrainingSettings


def _ours(name: str, paper: str, training: TrainingSettings = TrainingSettings(), **more: Any) -> Backbone:  # noqa: B008
    arch = name.replace("-week", "Week")  # a module has no hyphen
    classes: dict[str, Any] = {"arch": f"baselines.{arch}:{arch}", "config": f"baselines.{arch}:{arch}Config"}
    return Backbone(name, training=training, paper=paper, **classes, **more)


BACKBONES = {
    "HA": _ours("HA", "no paper", fitted=True, deterministic=True),
    "HA-week": _ours("HA-week", "no paper", fitted=True, deterministic=True),
    "VAR": _ours("VAR", "Sims 1980, Econometrica", fitted=True, deterministic=True),
    "SVR": _ours("SVR", "Drucker et al. 1997, NeurIPS", fitted=True),
    "LSTM": _ours(
        "LSTM",
        "Hochreiter and Schmidhuber 1997, Neural Computation",
        TrainingSettings(lr=1e-3, weight_decay=5e-4, clip_grad_norm=5.0, lr_milestones=(50, 80)),
        tested_with=("compile", "bf16", "cuda-graphs"),
        unused={"dropout": ("num_layers", 1)},
    ),
    "STGCN": _ours(
        "STGCN",
        "Yu et al. 2018, IJCAI",
        TrainingSettings(lr=4e-4, weight_decay=3e-4, lr_milestones=(1, 50), batch_size=16),
        tested_with=("compile", "cuda-graphs"),
    ),
    "GWNet": _ours(
        "GWNet",
        "Wu et al. 2019, IJCAI",
        TrainingSettings(lr=2e-3, weight_decay=1e-4, clip_grad_norm=5.0, lr_milestones=(1, 50), batch_size=16),
        tested_with=("cuda-graphs",),
        unused={"adaptive_rank": ("adaptive", False)},
    ),
    "AGCRN": _ours(
        "AGCRN", "Bai et al. 2020, NeurIPS", TrainingSettings(lr=3e-3), tested_with=("compile", "bf16", "cuda-graphs")
    ),
    "STAE": _ours(
        "STAE",
        "Liu et al. 2023, CIKM",
        TrainingSettings(lr=1e-3, weight_decay=3e-4, lr_milestones=(20, 25), lr_gamma=0.1, batch_size=16),
        tested_with=("cuda-graphs",),
    ),
    "D2STGNN": _ours(
        "D2STGNN",
        "Shao et al. 2022, VLDB",
        TrainingSettings(
            lr=2e-3,
            weight_decay=1e-5,
            clip_grad_norm=5.0,
            lr_milestones=(1, 30, 38, 46, 54, 62, 70, 80),
            batch_size=16,
            curriculum_warm_up=30,
            curriculum_every=3,
        ),
        of_lengths="baselines.D2STGNN:of_lengths",
        tested_with=("cuda-graphs",),
    ),
}
