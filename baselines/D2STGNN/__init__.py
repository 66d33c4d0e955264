from .arch.d2stgnn_arch import D2STGNN
from .config.d2stgnn_config import D2STGNNConfig, of_lengths

__all__ = ["D2STGNN", "D2STGNNConfig", "of_lengths"]
