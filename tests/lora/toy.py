"""Adapters on the small backbones."""

from dataclasses import replace

import torch

from stlora_ext.lora.model import STLoRA, attach
from stlora_ext.lora.settings import SHARINGS, STLoRAConfig
from tests.support.small import BASICTS, IN_ORDER, NODES, OURS, forecast, permute_nodes, windows
from tests.support.small import small_backbone as backbone

__all__ = [
    "CASES",
    "IN_ORDER",
    "NODES",
    "backbone",
    "forecast",
    "node_tensors",
    "permute_nodes",
    "plain",
    "trained",
    "windows",
]
CASES = [*((name, sharing) for name in OURS for sharing in SHARINGS), *((name, "node") for name in BASICTS)]


def plain(sharing: str, num_nodes: int = NODES, **settings) -> STLoRAConfig:
    """Small settings."""
    return replace(STLoRAConfig(sharing=sharing, rank=2, width=8, layers=2, num_embeddings=3), **settings)


def trained(name: str, sharing: str, num_nodes: int = NODES, **settings) -> STLoRA:
    """A model whose adapter has left its starting point: every adapter tensor is drawn at random."""
    model = attach(backbone(name, num_nodes), plain(sharing, num_nodes, **settings), num_nodes, seed=3)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.adapter.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model


def node_tensors(model: STLoRA) -> list[torch.nn.Parameter]:
    """The adapter's tensors whose first dimension is the nodes: A_j, e_j or v_j of each layer."""
    own = {"node": "matrix", "embedding": "embedding", "vector": "vector"}[model.config.sharing]
    return [getattr(nall.lora_a, own) for nall in model.adapter.nalls]
