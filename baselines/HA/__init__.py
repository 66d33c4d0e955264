from .arch.ha_arch import HA
from .config.ha_config import HAConfig

__all__ = ["HA", "HAConfig"]
