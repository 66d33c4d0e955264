"""Every backbone under its name, with its published training settings."""

from baselines.HA import HA, HAConfig
from baselines.LSTM import LSTM, LSTMConfig
from baselines.SVR import SVR, SVRConfig
from baselines.VAR import VAR, VARConfig
from stlora_ext.registry import models, register
from stlora_ext.settings import TrainingSettings

register("HA", HA, HAConfig, fitted=True, deterministic=True)
register("VAR", VAR, VARConfig, fitted=True, deterministic=True)
register("SVR", SVR, SVRConfig, fitted=True)
register("LSTM", LSTM, LSTMConfig, TrainingSettings(
    lr=1e-3, weight_decay=5e-4, clip_grad_norm=5.0, lr_milestones=(50, 80)))

# The order of the rows of every table.
MODEL_ORDER = models()
