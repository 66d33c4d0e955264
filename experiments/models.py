"""Every backbone under its name, with its published training settings."""

from baselines.AGCRN import AGCRN, AGCRNConfig
from baselines.D2STGNN import D2STGNN, D2STGNNConfig
from baselines.D2STGNN import of_lengths as d2stgnn_of_lengths
from baselines.GWNet import GWNet, GWNetConfig
from baselines.HA import HA, HAConfig
from baselines.LSTM import LSTM, LSTMConfig
from baselines.STAE import STAE, STAEConfig
from baselines.STGCN import STGCN, STGCNConfig
from baselines.SVR import SVR, SVRConfig
from baselines.VAR import VAR, VARConfig
from stlora_ext.registry import models, register
from stlora_ext.settings import TrainingSettings

register("HA", HA, HAConfig, fitted=True, deterministic=True)
register("VAR", VAR, VARConfig, fitted=True, deterministic=True)
register("SVR", SVR, SVRConfig, fitted=True)
register("LSTM", LSTM, LSTMConfig, TrainingSettings(
    lr=1e-3, weight_decay=5e-4, clip_grad_norm=5.0, lr_milestones=(50, 80)),
    tested_with=("compile", "bf16", "cuda-graphs"), unused={"dropout": ("num_layers", 1)})
register("STGCN", STGCN, STGCNConfig, TrainingSettings(
    lr=4e-4, weight_decay=3e-4, lr_milestones=(1, 50), batch_size=16),
    tested_with=("compile", "cuda-graphs"))
register("GWNet", GWNet, GWNetConfig, TrainingSettings(
    lr=2e-3, weight_decay=1e-4, clip_grad_norm=5.0, lr_milestones=(1, 50), batch_size=16),
    tested_with=("cuda-graphs",), unused={"adaptive_rank": ("adaptive", False)})
register("AGCRN", AGCRN, AGCRNConfig, TrainingSettings(lr=3e-3),
    tested_with=("compile", "bf16", "cuda-graphs"))
register("STAE", STAE, STAEConfig, TrainingSettings(
    lr=1e-3, weight_decay=3e-4, lr_milestones=(20, 25), lr_gamma=0.1, batch_size=16), tested_with=("cuda-graphs",))
register("D2STGNN", D2STGNN, D2STGNNConfig, TrainingSettings(
    lr=2e-3, weight_decay=1e-5, clip_grad_norm=5.0, lr_milestones=(1, 30, 38, 46, 54, 62, 70, 80), batch_size=16,
    curriculum_warm_up=30, curriculum_every=3), tested_with=("cuda-graphs",), of_lengths=d2stgnn_of_lengths)

# The order of the rows of every table.
MODEL_ORDER = models()
