"""ST-LoRA: low-rank adaptation for spatio-temporal forecasting, on BasicTS."""

__version__ = "0.1.0"
