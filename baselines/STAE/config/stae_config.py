from dataclasses import dataclass, field

from basicts.configs import BasicTSModelConfig


@dataclass
class STAEConfig(BasicTSModelConfig):
    """Config class for STAEformer; the defaults are the published settings of the traffic benchmarks."""

    input_len: int = field(default=12, metadata={"help": "Input steps."})
    output_len: int = field(default=12, metadata={"help": "Forecast steps."})
    num_nodes: int = field(default=None, metadata={"help": "Number of sensors."})
    steps_per_day: int = field(default=288, metadata={"help": "Steps in a day."})
    use_time_of_day: bool = field(default=True, metadata={"help": "Time of day as a raw input of the projection."})
    use_day_of_week: bool = field(default=True, metadata={"help": "Day of week as a raw input of the projection."})
    input_embedding_dim: int = field(default=24, metadata={"help": "Width of the projection of the raw inputs."})
    time_of_day_embedding_dim: int = field(default=24, metadata={"help": "Width of the time of day embedding, or 0."})
    day_of_week_embedding_dim: int = field(default=24, metadata={"help": "Width of the day of week embedding, or 0."})
    spatial_embedding_dim: int = field(default=0, metadata={"help": "Width of the node embedding, or 0."})
    adaptive_embedding_dim: int = field(default=80, metadata={"help": "Width of the step and node embedding, or 0."})
    feed_forward_dim: int = field(default=256, metadata={"help": "Hidden width of the feed-forward parts."})
    num_heads: int = field(default=4, metadata={"help": "Attention heads; divides the sum of the embedding widths."})
    num_layers: int = field(default=3, metadata={"help": "Temporal layers, and as many spatial ones after them."})
    dropout: float = field(default=0.1, metadata={"help": "Dropout after attention and after feed-forward."})
    mixed_projection: bool = field(
        default=True, metadata={"help": "Steps and channels to the horizon at once, or one after the other."}
    )
