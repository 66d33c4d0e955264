"""The AGCRN of a reference file."""

from typing import Any

import torch

from baselines.AGCRN import AGCRN, AGCRNConfig
from tests.parity.carrying import Carried, renamed


def carry(meta: dict[str, Any], state: dict[str, torch.Tensor], graph_path: str) -> Carried:
    """Build the model of a reference file and carry its weights over."""
    config = meta["config"]
    model = AGCRN(
        AGCRNConfig(
            input_len=meta["input_len"],
            output_len=meta["output_len"],
            num_nodes=meta["num_nodes"],
            hidden_size=config["rnn_units"],
            num_layers=config["num_layers"],
            node_embedding_dim=config["embed_dim"],
            chebyshev_order=config["cheb_k"],
        )
    )

    def rename(name: str) -> str:
        name = name.replace("encoder.dcrnn_cells", "layers").replace("end_conv", "output_layer")
        return name.replace("gate.", "gate_").replace("update.", "update_")

    return renamed(model, state, rename)
