from dataclasses import dataclass, field

from basicts.configs import BasicTSModelConfig


@dataclass
class AGCRNConfig(BasicTSModelConfig):
    """Config class for AGCRN; the defaults are the published settings of the traffic benchmarks."""

    input_len: int = field(default=12, metadata={"help": "Input steps."})
    output_len: int = field(default=12, metadata={"help": "Forecast steps."})
    num_nodes: int = field(default=None, metadata={"help": "Number of nodes."})
    hidden_size: int = field(default=64, metadata={"help": "Units of every recurrent layer."})
    num_layers: int = field(default=2, metadata={"help": "Number of recurrent layers."})
    node_embedding_dim: int = field(default=10, metadata={"help": "Width of the node embeddings."})
    chebyshev_order: int = field(default=2, metadata={"help": "Number of supports, identity included; at least 2."})
