"""The GWNet of a reference file."""

from typing import Any

import torch

from baselines.GWNet import GWNet, GWNetConfig
from tests.parity.carrying import Carried

NAMES = {
    "nodevec1": "source_embedding",
    "nodevec2": "target_embedding",
    "start_conv": "input_layer",
    "skip_convs": "skip_layers",
    "gconv": "graph_convs",
    "bn": "norms",
    "end_conv_1": "hidden_layer",
    "end_conv_2": "output_layer",
}


def carry(meta: dict[str, Any], state: dict[str, torch.Tensor], graph_path: str) -> Carried:
    """Build the model of a reference file and carry its weights over."""
    config, channels = meta["config"], meta["input_channels"]
    order, adaptive = config.get("order", 2), "nodevec1" in state
    parts = state["gconv.0.mlp.mlp.weight"].shape[1] // config["dilation_channels"]
    model = GWNet(
        GWNetConfig(
            input_len=meta["input_len"],
            output_len=meta["output_len"],
            num_nodes=meta["num_nodes"],
            graph_path=graph_path,
            use_graph=(parts - 1) // order > adaptive,
            adaptive=adaptive,
            adaptive_rank=config.get("adaptive_rank", 10),
            diffusion_order=order,
            use_time_of_day="time_of_day" in channels,
            use_day_of_week="day_of_week" in channels,
            num_blocks=config["blocks"],
            layers_per_block=config["layers"],
            kernel_size=config["kernel_size"],
            residual_channels=config["residual_channels"],
            dilation_channels=config["dilation_channels"],
            skip_channels=config["skip_channels"],
            end_channels=config["end_channels"],
            dropout=config["dropout"],
        )
    )
    own = model.state_dict()

    def rename(name: str) -> str:
        first, *rest = name.split(".")
        if first in ("filter_convs", "gate_convs"):
            return f"gated_convs.{rest[0]}.{first.removesuffix('_convs')}.{rest[1]}"
        if first == "gconv":
            rest = [rest[0], "linear", rest[-1]]
        return ".".join([NAMES.get(first, first), *rest])

    def reordered(name: str, value: torch.Tensor) -> torch.Tensor:
        """Temporal kernels [out, in, 1, taps] become [out, taps * in]."""
        if name.endswith("weight") and name.startswith(("filter_convs", "gate_convs")):
            value = value.squeeze(2).transpose(1, 2)
        return value.reshape(own[rename(name)].shape)

    model.load_state_dict(
        {rename(name): reordered(name, value) for name, value in state.items() if rename(name) in own}
    )
    parameters = dict(model.named_parameters())

    def gradient(name: str) -> torch.Tensor | None:
        if rename(name) not in parameters:
            return None
        found, shape = parameters[rename(name)].grad, state[name].shape
        if found is not None and name.endswith("weight") and name.startswith(("filter_convs", "gate_convs")):
            return found.view(shape[0], shape[3], shape[1]).transpose(1, 2).reshape(shape)
        return found if found is None else found.reshape(shape)

    return Carried(model, gradient)
