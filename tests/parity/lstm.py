"""The LSTM of a reference file."""

from typing import Any

import torch

from baselines.LSTM import LSTM, LSTMConfig
from tests.parity.carrying import Carried, renamed

NAMES = {"start_conv": "input_projection", "end_linear1": "hidden_layer", "end_linear2": "output_layer"}


def carry(meta: dict[str, Any], state: dict[str, torch.Tensor], graph_path: str) -> Carried:
    """Build the model of a reference file and carry its weights over."""
    config = meta["config"]
    model = LSTM(
        LSTMConfig(
            input_len=meta["input_len"],
            output_len=meta["output_len"],
            embed_size=config["init_dim"],
            hidden_size=config["hid_dim"],
            end_size=config["end_dim"],
            num_layers=config["layer"],
            dropout=config["dropout"],
        )
    )

    def rename(name: str) -> str:
        first, _, rest = name.partition(".")
        return f"{NAMES.get(first, first)}.{rest}"

    return renamed(model, state, rename)
