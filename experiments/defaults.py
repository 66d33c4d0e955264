"""What config files import: ``CFG = experiment(DATASET, MODEL, key=value, ...)``."""

from stlora_ext.config.experiment import experiment

__all__ = ["experiment"]
