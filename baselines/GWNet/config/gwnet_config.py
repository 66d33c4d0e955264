from dataclasses import dataclass, field

from basicts.configs import BasicTSModelConfig


@dataclass
class GWNetConfig(BasicTSModelConfig):
    """Config class for Graph WaveNet; the defaults are the published settings of the traffic benchmarks."""

    input_len: int = field(default=12, metadata={"help": "Input steps."})
    output_len: int = field(default=12, metadata={"help": "Forecast steps."})
    num_nodes: int = field(default=None, metadata={"help": "Number of sensors."})
    graph_path: str = field(default=None, metadata={"help": "graph.npz of the data set; not read without use_graph."})
    use_graph: bool = field(default=True, metadata={"help": "Diffuse along the data set's graph, in both directions."})
    adaptive: bool = field(default=True, metadata={"help": "Diffuse along a learned graph."})
    adaptive_rank: int = field(default=10, metadata={"help": "Width of the node embeddings of the learned graph."})
    diffusion_order: int = field(default=2, metadata={"help": "Highest power of each transition matrix."})
    use_time_of_day: bool = field(default=True, metadata={"help": "Time of day as an input channel."})
    use_day_of_week: bool = field(default=False, metadata={"help": "Day of week as an input channel."})
    num_blocks: int = field(default=4, metadata={"help": "Blocks; the dilation restarts at 1 in each."})
    layers_per_block: int = field(default=2, metadata={"help": "Layers in a block, with dilations 1, 2, 4, ..."})
    kernel_size: int = field(default=2, metadata={"help": "Taps of the temporal convolutions."})
    residual_channels: int = field(default=32, metadata={"help": "Channels between the layers."})
    dilation_channels: int = field(default=32, metadata={"help": "Channels of the gated temporal convolutions."})
    skip_channels: int = field(default=256, metadata={"help": "Channels of the skip connections."})
    end_channels: int = field(default=512, metadata={"help": "Hidden channels of the output head."})
    dropout: float = field(default=0.3, metadata={"help": "Dropout after each graph convolution."})
