from .arch.agcrn_arch import AGCRN
from .config.agcrn_config import AGCRNConfig

__all__ = ["AGCRN", "AGCRNConfig"]
