from .arch.var_arch import VAR
from .config.var_config import VARConfig

__all__ = ["VAR", "VARConfig"]
