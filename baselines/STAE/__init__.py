from .arch.stae_arch import STAE
from .config.stae_config import STAEConfig

__all__ = ["STAE", "STAEConfig"]
