"""What config files import: ``CFG = experiment(DATASET, MODEL, key=value, ...)``."""

import experiments.models  # noqa: F401 (registers the backbones)
from stlora_ext.experiment import experiment

__all__ = ["experiment"]
