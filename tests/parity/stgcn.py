"""The STGCN of a reference file."""

from typing import Any

import torch

from baselines.STGCN import STGCN, STGCNConfig
from tests.parity.carrying import Carried

NAMES = {
    "st_blocks": "blocks",
    "tmp_conv1": "first_temporal",
    "tmp_conv2": "second_temporal",
    "graph_conv": "graph_convolution",
    "causal_conv": "convolution",
    "tc2_ln": "norm",
}
OUTPUT_NAMES = {
    "tmp_conv1": "output_temporal",
    "causal_conv": "convolution",
    "tc1_ln": "output_norm",
    "fc1": "hidden_layer",
    "fc2": "output_layer",
}
DROPPED = {"cheb_graph_conv", "align_conv"}


def carry(meta: dict[str, Any], state: dict[str, torch.Tensor], graph_path: str) -> Carried:
    """Build the model of a reference file and carry its weights over, but for the alignments that it doesn't use."""
    config = meta["config"]
    _, *blocks, output, _ = config["blocks"]
    model = STGCN(
        STGCNConfig(
            input_len=meta["input_len"],
            output_len=meta["output_len"],
            num_nodes=meta["num_nodes"],
            graph_path=graph_path,
            block_channels=tuple(tuple(block) for block in blocks),
            output_channels=tuple(output),
            temporal_kernel=config["Kt"],
            spatial_order=config["Ks"],
            activation=config["act_func"],
            dropout=config["droprate"],
        )
    )
    parameters = dict(model.named_parameters())

    def own(name: str) -> torch.nn.Parameter | None:
        first, *rest = [part for part in name.split(".") if part not in DROPPED]
        parts, names = (rest, OUTPUT_NAMES) if first == "output" else ([first, *rest], NAMES)
        return parameters.get(".".join(names.get(part, part) for part in parts))

    carried = {name: own(name) for name in state if own(name) is not None}
    if len(carried) != len(parameters):
        raise ValueError(f"{len(carried)} of {len(parameters)} parameters carried: the file's names are others")
    with torch.no_grad():
        for name, parameter in carried.items():
            parameter.copy_(state[name].reshape(parameter.shape))

    def gradient(name: str) -> torch.Tensor | None:
        return None if own(name) is None else own(name).grad.reshape(state[name].shape)

    return Carried(model, gradient)
