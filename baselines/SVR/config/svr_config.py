from dataclasses import dataclass, field

from basicts.configs import BasicTSModelConfig


@dataclass
class SVRConfig(BasicTSModelConfig):
    """Config class for SVR, linear support vector regression per node and horizon."""

    input_len: int = field(default=12, metadata={"help": "Input steps."})
    output_len: int = field(default=12, metadata={"help": "Forecast steps."})
    num_nodes: int = field(default=None, metadata={"help": "Number of sensors."})
    penalty: float = field(default=1.0, metadata={"help": "C, the inverse strength of the regularisation."})
    epsilon: float = field(default=0.0, metadata={"help": "Half width of the tube without loss."})
