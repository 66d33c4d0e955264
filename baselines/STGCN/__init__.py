from .arch.stgcn_arch import STGCN
from .config.stgcn_config import STGCNConfig

__all__ = ["STGCN", "STGCNConfig"]
