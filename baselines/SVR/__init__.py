from .arch.svr_arch import SVR
from .config.svr_config import SVRConfig

__all__ = ["SVR", "SVRConfig"]
