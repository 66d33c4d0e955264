"""Backbones and adapters that the adapter's tests are made of."""

from dataclasses import replace
from pathlib import Path

import torch

import experiments.models  # noqa: F401 (registers the backbones)
from stlora_ext.data.prepared import Meta
from stlora_ext.experiment import experiment
from stlora_ext.lora.layer import SHARINGS
from stlora_ext.lora.model import STLoRA, attach
from stlora_ext.lora.predictor import STLoRAConfig
from stlora_ext.registry import backbones
from stlora_ext.resolve import model_config

NODES = 6
CASES = [(name, sharing) for name in backbones() for sharing in SHARINGS]


def meta(num_nodes: int = NODES, input_len: int = 12) -> Meta:
    return Meta("TINY", 400, num_nodes, 5, 288, "2024-01-01", 0.0, input_len, 12, {"train": 200, "val": 80, "test": 97},
                [], False, "sha256:0")


def backbone(name: str, num_nodes: int = NODES, input_len: int = 12) -> torch.nn.Module:
    """A backbone with seeded weights; a fitted one is fitted."""
    torch.manual_seed(0)
    exp = experiment("TINY", name, input_len=input_len)
    model = exp.backbone.arch(model_config(exp, meta(num_nodes, input_len), Path()))
    if exp.backbone.fitted:
        model.fit(torch.randn(50, num_nodes), torch.rand(50, num_nodes) > 0.1)
    return model


def plain(sharing: str, num_nodes: int = NODES, **settings) -> STLoRAConfig:
    """Small settings."""
    return replace(STLoRAConfig(sharing=sharing, rank=2, width=8, layers=2, num_embeddings=3), **settings)


def windows(size: int = 3, num_nodes: int = NODES, steps: int = 12, seed: int = 1) -> torch.Tensor:
    return torch.randn(size, steps, num_nodes, generator=torch.Generator().manual_seed(seed))


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
