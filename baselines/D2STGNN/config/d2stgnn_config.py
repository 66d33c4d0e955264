from dataclasses import dataclass, field
from typing import Any

from basicts.configs import BasicTSModelConfig

_GAPS = (3, 2, 1)  # the published one first


def of_lengths(input_len: int, output_len: int) -> dict[str, Any]:
    """Return the settings that follow from the lengths: the largest gap up to 3 that divides the forecast."""
    return {"gap": next(gap for gap in _GAPS if output_len % gap == 0)}


@dataclass
class D2STGNNConfig(BasicTSModelConfig):
    """Config class for D2STGNN; the defaults are the published settings of the traffic benchmarks."""

    input_len: int = field(default=12, metadata={"help": "Input steps."})
    output_len: int = field(default=12, metadata={"help": "Forecast steps."})
    num_nodes: int = field(default=None, metadata={"help": "Number of nodes."})
    steps_per_day: int = field(default=288, metadata={"help": "Time steps of a day."})
    graph_path: str | None = field(default=None, metadata={"help": "graph.npz of the data set."})
    use_graph: bool = field(
        default=True,
        metadata={
            "help": "Mask the dynamic graphs by the two transition matrices of the data set's graph; if False, the "
            "mask is all ones and graph_path is not read."
        },
    )
    hidden_size: int = field(default=32, metadata={"help": "Width of the hidden states."})
    num_layers: int = field(default=5, metadata={"help": "Number of decoupled layers."})
    temporal_kernel: int = field(default=3, metadata={"help": "k_t: steps that one diffusion convolution reads."})
    spatial_order: int = field(default=2, metadata={"help": "k_s: highest power of each graph."})
    gap: int = field(default=3, metadata={"help": "Forecast steps per decoded hidden state; it divides output_len."})
    node_embed_size: int = field(default=10, metadata={"help": "Width of each of the two node embeddings."})
    time_embed_size: int = field(default=10, metadata={"help": "Width of the time of day and day of week embeddings."})
    gate_size: int = field(default=64, metadata={"help": "Hidden width of the estimation gate."})
    num_heads: int = field(default=4, metadata={"help": "Attention heads of the inherent block."})
    forecast_size: int = field(default=256, metadata={"help": "Width of the forecast branches."})
    end_size: int = field(default=512, metadata={"help": "Width of the output layer."})
    dropout: float = field(default=0.1, metadata={"help": "Dropout."})
