from dataclasses import dataclass, field

from basicts.configs import BasicTSModelConfig


@dataclass
class STGCNConfig(BasicTSModelConfig):
    """Config class for STGCN; the defaults are the published settings of the traffic benchmarks."""

    input_len: int = field(default=12, metadata={"help": "Input steps."})
    output_len: int = field(default=12, metadata={"help": "Forecast steps."})
    num_nodes: int = field(default=None, metadata={"help": "Number of nodes."})
    graph_path: str = field(default=None, metadata={"help": "Graph of the data set (graph.npz)."})
    block_channels: tuple[tuple[int, int, int], ...] = field(
        default=((64, 16, 64), (64, 16, 64)),
        metadata={"help": "Per block: channels of its first temporal layer, graph convolution, second temporal layer."},
    )
    output_channels: tuple[int, int] = field(
        default=(128, 128), metadata={"help": "Channels of the output's temporal layer and hidden linear layer."}
    )
    temporal_kernel: int = field(default=3, metadata={"help": "Steps a temporal layer of a block convolves (Kt)."})
    spatial_order: int = field(default=3, metadata={"help": "Chebyshev polynomials of a graph convolution (Ks)."})
    activation: str = field(default="glu", metadata={"help": "Gate of the temporal layers: glu or gtu."})
    dropout: float = field(default=0.5, metadata={"help": "Dropout after every block."})
