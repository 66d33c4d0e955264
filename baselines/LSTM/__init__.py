from .arch.lstm_arch import LSTM
from .config.lstm_config import LSTMConfig

__all__ = ["LSTM", "LSTMConfig"]
