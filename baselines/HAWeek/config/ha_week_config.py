from dataclasses import dataclass, field

from basicts.configs import BasicTSModelConfig


@dataclass
class HAWeekConfig(BasicTSModelConfig):
    """Config class for HA-week, the historical average by time of the week."""

    input_len: int = field(default=12, metadata={"help": "Input steps, which the forecast doesn't depend on."})
    output_len: int = field(default=12, metadata={"help": "Forecast steps."})
    num_nodes: int = field(default=None, metadata={"help": "Number of sensors."})
    steps_per_day: int = field(default=288, metadata={"help": "Steps of a day."})
