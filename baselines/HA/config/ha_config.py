from dataclasses import dataclass, field

from basicts.configs import BasicTSModelConfig


@dataclass
class HAConfig(BasicTSModelConfig):
    """Config class for HA, the mean of the input window."""

    input_len: int = field(default=12, metadata={"help": "Input steps."})
    output_len: int = field(default=12, metadata={"help": "Forecast steps."})
    num_nodes: int = field(default=None, metadata={"help": "Number of sensors."})
