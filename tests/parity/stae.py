"""The STAE of a reference file."""

from typing import Any

import torch

from baselines.STAE import STAE, STAEConfig
from tests.parity.carrying import Carried, renamed

NAMES = {
    "input_proj": "input_projection",
    "output_proj": "output_projection",
    "temporal_proj": "temporal_projection",
    "tod_embedding": "time_of_day_embedding",
    "dow_embedding": "day_of_week_embedding",
    "node_emb": "spatial_embedding",
    "attn_layers_t": "temporal_layers",
    "attn_layers_s": "spatial_layers",
    "FC_Q": "query",
    "FC_K": "key",
    "FC_V": "value",
    "out_proj": "out",
    "feed_forward_0": "expand",
    "feed_forward_2": "reduce",
    "ln1": "attention_norm",
    "ln2": "feed_forward_norm",
}


def carry(meta: dict[str, Any], state: dict[str, torch.Tensor], graph_path: str) -> Carried:
    """Build the model of a reference file and carry its weights over."""
    config, channels = meta["config"], meta["input_channels"][: meta["config"].get("input_dim", 3)]
    mixed = config["use_mixed_proj"]
    model = STAE(
        STAEConfig(
            input_len=meta["input_len"],
            output_len=meta["output_len"],
            num_nodes=meta["num_nodes"],
            steps_per_day=config["steps_per_day"],
            use_time_of_day="time_of_day" in channels,
            use_day_of_week="day_of_week" in channels,
            input_embedding_dim=config["input_embedding_dim"],
            time_of_day_embedding_dim=config["tod_embedding_dim"],
            day_of_week_embedding_dim=config["dow_embedding_dim"],
            spatial_embedding_dim=config["spatial_embedding_dim"],
            adaptive_embedding_dim=config["adaptive_embedding_dim"],
            feed_forward_dim=config["feed_forward_dim"],
            num_heads=config["num_heads"],
            num_layers=config["num_layers"],
            dropout=config["dropout"],
            mixed_projection=mixed,
        )
    )

    def rename(name: str) -> str:
        if name.startswith("output_proj.") and not mixed:
            return name.replace("output_proj", "channel_projection")
        name = name.replace(".attn.", ".").replace("feed_forward.", "feed_forward_")
        return ".".join(NAMES.get(part, part) for part in name.split("."))

    return renamed(model, state, rename)
