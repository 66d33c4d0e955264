from dataclasses import dataclass, field

from basicts.configs import BasicTSModelConfig


@dataclass
class LSTMConfig(BasicTSModelConfig):
    """Config class for LSTM; the defaults are the published settings of the traffic benchmarks."""

    input_len: int = field(default=12, metadata={"help": "Input steps."})
    output_len: int = field(default=12, metadata={"help": "Forecast steps."})
    embed_size: int = field(default=32, metadata={"help": "Width of the 1x1 input projection."})
    hidden_size: int = field(default=64, metadata={"help": "Hidden size of the LSTM."})
    num_layers: int = field(default=2, metadata={"help": "Number of LSTM layers."})
    end_size: int = field(default=512, metadata={"help": "Width of the output layer."})
    dropout: float = field(default=0.1, metadata={"help": "Dropout between LSTM layers."})
