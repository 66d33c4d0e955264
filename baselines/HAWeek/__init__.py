from .arch.ha_week_arch import HAWeek
from .config.ha_week_config import HAWeekConfig

__all__ = ["HAWeek", "HAWeekConfig"]
