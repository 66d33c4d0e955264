from dataclasses import dataclass, field

from basicts.configs import BasicTSModelConfig


@dataclass
class VARConfig(BasicTSModelConfig):
    """Config class for VAR, vector autoregression over all nodes."""

    input_len: int = field(default=12, metadata={"help": "Input steps."})
    output_len: int = field(default=12, metadata={"help": "Forecast steps."})
    num_nodes: int = field(default=None, metadata={"help": "Number of sensors."})
    order: int = field(default=3, metadata={"help": "Past steps that enter one step."})
