"""The D2STGNN of a reference file."""

from typing import Any

import torch

from baselines.D2STGNN import D2STGNN, D2STGNNConfig
from tests.parity.carrying import Carried

NAMES = {
    "T_i_D_emb": "time_of_day_embedding",
    "D_i_W_emb": "day_of_week_embedding",
    "node_emb_u": "node_embedding_up",
    "node_emb_d": "node_embedding_down",
    "embedding": "input_layer",
    "dynamic_graph_constructor.distance_function": "dynamic_graph",
    "fc_ts_emb1": "window_layer",
    "fc_ts_emb2": "window_output",
    "dynamic_graph.bn": "dynamic_graph.window_norm",
    "WQ": "query_layer",
    "WK": "key_layer",
    "spatial_gate.FC1": "gate_layer",
    "spatial_gate.FC2": "gate_output",
    "dif_layer": "diffusion",
    "localized_st_conv.fc_list_updt": "window_layer",
    "localized_st_conv.gcn_updt": "graph_layer",
    "residual_decompose.ln": "norm",
    "forecast_branch.forecast_fc": "forecast_layer",
    "backcast_branch": "backcast_layer",
    "inh_layer": "inherent",
    "rnn_layer.gru_cell": "gru_cell",
    "transformer_layer.multi_head_self_attention.in_proj_weight": "attention_input.weight",
    "transformer_layer.multi_head_self_attention.in_proj_bias": "attention_input.bias",
    "transformer_layer.multi_head_self_attention.out_proj": "attention_output",
    "forecast_block.forecast_fc": "forecast_layer",
    "backcast_fc": "backcast_layer",
    "sub_and_norm.ln": "norm",
    "out_fc_1": "hidden_layer",
    "out_fc_2": "output_layer",
}


def renamed(name: str) -> str:
    """Return the model's name of a reference parameter."""
    name = f".{name}."
    for theirs, ours in NAMES.items():
        name = name.replace(f".{theirs}.", f".{ours}.")
    return name.strip(".")


def carry(meta: dict[str, Any], state: dict[str, torch.Tensor], graph_path: str) -> Carried:
    """Build the model of a reference file and carry its weights over; a parameter that it lacks reaches no output."""
    config = meta["config"]
    model = D2STGNN(
        D2STGNNConfig(
            input_len=meta["input_len"],
            output_len=meta["output_len"],
            num_nodes=meta["num_nodes"],
            steps_per_day=config["time_in_day_size"],
            graph_path=graph_path,
            hidden_size=config["num_hidden"],
            num_layers=config["num_layers"],
            temporal_kernel=config["k_t"],
            spatial_order=config["k_s"],
            gap=config["gap"],
            node_embed_size=config["node_hidden"],
            time_embed_size=config["time_emb_dim"],
            gate_size=config["gate_hidden_dim"],
            num_heads=config["num_heads"],
            forecast_size=config["forecast_dim"],
            end_size=config["output_dim"],
            dropout=config["dropout"],
        )
    )
    own = set(model.state_dict())
    model.load_state_dict({renamed(name): value for name, value in state.items() if renamed(name) in own})
    parameters = dict(model.named_parameters())
    return Carried(model, lambda name: parameters[renamed(name)].grad if renamed(name) in parameters else None)
