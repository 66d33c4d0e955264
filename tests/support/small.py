"""Every backbone, small, on a network of 11 nodes (a number that is no other dimension of any of them)."""

import functools
import inspect
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from stlora_ext.config.backbones import BACKBONES
from stlora_ext.config.basicts_models import BASICTS_MODELS
from stlora_ext.config.experiment import Experiment, experiment
from stlora_ext.data.prepared import Meta
from stlora_ext.lora.model import forward_names
from stlora_ext.runs.build import build_model

NODES = 11
REPEATED = {"Koopa": 4}  # all nodes, so often in one dimension
IN_ORDER = {  # forecasts of these depend on the order of the nodes
    "FreTS": "a Fourier transform over the nodes",
    "Leddam": "an embedding of a node's position",
    "NonstationaryTransformer": "a convolution over neighbouring nodes",
    "StemGNN": "a recurrence over the nodes",
}
OURS, BASICTS = list(BACKBONES), list(BASICTS_MODELS)
SMALL = {
    "LSTM": {"embed_size": 8, "hidden_size": 16, "end_size": 24},
    "STGCN": {"block_channels": ((16, 8, 16), (16, 8, 16)), "output_channels": (24, 24)},
    "GWNet": {
        "residual_channels": 8,
        "dilation_channels": 8,
        "skip_channels": 16,
        "end_channels": 24,
        "adaptive_rank": 4,
    },
    "AGCRN": {"hidden_size": 16, "node_embedding_dim": 4},
    "STAE": {
        "input_embedding_dim": 8,
        "time_of_day_embedding_dim": 8,
        "day_of_week_embedding_dim": 8,
        "adaptive_embedding_dim": 8,
        "feed_forward_dim": 16,
        "num_layers": 2,
    },
    "D2STGNN": {
        "hidden_size": 8,
        "num_layers": 2,
        "node_embed_size": 4,
        "time_embed_size": 4,
        "gate_size": 16,
        "forecast_size": 24,
        "end_size": 24,
    },
    **{
        name: {"hidden_size": 16, "intermediate_size": 16}
        for name in (
            "Autoformer",
            "Crossformer",
            "DUET",
            "Informer",
            "NonstationaryTransformer",
            "PatchTST",
            "SOFTS",
            "TimeMixer",
            "TimeXer",
            "Timer",
            "TimesNet",
            "iTransformer",
        )
    },
    "FiLM": {"hidden_size": [16]},
    "FreTS": {"embed_size": 8, "hidden_size": 16},
    "Leddam": {"hidden_size": 16, "intermediate_size": 16, "period": 4},
    "StemGNN": {"hidden_size": 1},
    "TimeKAN": {"hidden_size": 16},
}


@functools.cache
def data_folder(num_nodes: int) -> Path:
    """A folder with the graph of a data set "SMALL": directed, with self-loops, the last node isolated."""
    folder = Path(tempfile.mkdtemp())
    (folder / "SMALL").mkdir()
    generator = np.random.default_rng(0)
    adjacency = np.where(generator.random((num_nodes, num_nodes)) < 0.4, generator.random((num_nodes, num_nodes)), 0)
    adjacency[-1] = adjacency[:, -1] = 0
    source, target = np.nonzero(adjacency)
    np.savez(
        folder / "SMALL" / "graph.npz",
        num_nodes=num_nodes,
        source=source,
        target=target,
        weight=adjacency[source, target].astype(np.float32),
    )
    return folder


def meta(num_nodes: int = NODES, input_len: int = 12, has_graph: bool = True) -> Meta:
    """The description of that data set."""
    return Meta(
        "SMALL",
        400,
        num_nodes,
        5,
        288,
        "2024-01-01",
        0.0,
        input_len,
        12,
        {"train": 200, "val": 80, "test": 97},
        [],
        has_graph,
        "sha256:0",
    )


def small_experiment(name: str, **settings) -> Experiment:
    """An experiment with the small model; ``name`` may end in "+"."""
    return experiment("SMALL", name, model_settings=SMALL.get(name.removesuffix("+"), {}), **settings)


def small_backbone(name: str, num_nodes: int = NODES, input_len: int = 12) -> nn.Module:
    """A backbone with seeded weights; a fitted one is fitted."""
    torch.manual_seed(0)
    exp = small_experiment(name, input_len=input_len)
    model = build_model(exp, meta(num_nodes, input_len), data_folder(num_nodes))
    if exp.backbone.fitted:
        taken = inspect.signature(model.fit).parameters
        times = {"timestamps": _stamps(80)} if "timestamps" in taken else {}
        model.fit(torch.randn(80, num_nodes), torch.rand(80, num_nodes) > 0.1, **times)
    return model


def windows(size: int = 3, num_nodes: int = NODES, steps: int = 12, seed: int = 1) -> torch.Tensor:
    """Normalised inputs ``[size, steps, num_nodes]``."""
    return torch.randn(size, steps, num_nodes, generator=torch.Generator().manual_seed(seed))


def forecast(model: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """Call a model, with or without adapter, giving it the times it asks for: windows from Friday 23:30 on."""
    taken, steps = forward_names(model), inputs.shape[1]
    stamps = _stamps(steps + 12).expand(len(inputs), -1, 2).to(inputs)
    offered = {
        "inputs_timestamps": stamps[:, :steps],
        "targets_timestamps": stamps[:, steps:],
        "targets": inputs.new_zeros(len(inputs), 12, inputs.shape[2]),
    }
    result = model(inputs, **{name: value for name, value in offered.items() if name in taken})
    return result["prediction"] if isinstance(result, dict) else result


def _stamps(steps: int) -> torch.Tensor:
    """Time of day and day of week ``[steps, 2]``, every 5 minutes from Friday 23:30 on."""
    step = torch.arange(steps) + 5 * 288 - 6
    return torch.stack([step % 288 / 288, step // 288 % 7 / 7], dim=1)


def permute_nodes(model: nn.Module, order: torch.Tensor) -> None:
    """Permute the nodes in all that a backbone holds per node, supports included."""
    tensors = [*model.parameters(), *model.buffers()]
    with torch.no_grad():
        for tensor in tensors:
            for dim, size in enumerate(tensor.shape):
                if size == NODES:
                    tensor.copy_(tensor.index_select(dim, order))
                elif size == REPEATED.get(type(model).__name__, 0) * NODES:
                    blocks = torch.arange(size // NODES).unsqueeze(1) * NODES
                    tensor.copy_(tensor.index_select(dim, (blocks + order).flatten()))
            if tensor.dim() == 2 and tensor.shape == (3 * NODES, NODES):  # VAR: lags times nodes
                tensor.copy_(tensor.view(3, NODES, NODES)[:, order].reshape(3 * NODES, NODES))
            elif tensor.dim() == 2 and len(tensor) == NODES != tensor.shape[1] and tensor.shape[1] % NODES == 0:
                tensor.copy_(tensor.view(NODES, -1, NODES)[:, :, order].reshape(tensor.shape))  # GWNet: side by side
