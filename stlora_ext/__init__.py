"""ST-LoRA: low-rank adaptation for spatio-temporal forecasting, on BasicTS.

from stlora_ext import STLoRAConfig, attach
model = attach(backbone, STLoRAConfig(input_len=12, output_len=12), num_nodes=170)
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "STLoRAConfig": "stlora_ext.lora.settings",
    "STLoRA": "stlora_ext.lora.model",
    "attach": "stlora_ext.lora.model",
    "merge": "stlora_ext.lora.merge",
    "save_adapter": "stlora_ext.lora.files",
    "load_adapter": "stlora_ext.lora.files",
    "expand_adapter": "stlora_ext.lora.expand",
    # these need BasicTS
    "register": "stlora_ext.config.registry",
    "TrainingSettings": "stlora_ext.config.training",
    "experiment": "stlora_ext.config.experiment",
    "load_run": "stlora_ext.runs.loaded",
    "STLoRARunner": "stlora_ext.runs.adapter_runner",
    "STLoRAForecastingConfig": "stlora_ext.runs.adapter_runner",
    "launch_training": "stlora_ext.host.launcher",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    # On demand: the process's settings (threads.py) must be in force before torch loads.
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'stlora_ext' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*globals(), *_PUBLIC]
