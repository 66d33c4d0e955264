"""Backbones against reference tensors: outputs, gradients and train mode with the same weights.

Reads the folder named by STLORA_PARITY_DIR (default: ../shared/reference/parity). The converter of each backbone is
the module of its name, lower case, in parity/: ``carry(meta, state, graph_path) -> Carried``.
"""

import importlib
import inspect
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from stlora_ext.config.registry import get_backbone
from tests.support.commands import SHARED
from tests.support.small import OURS

PARITY = Path(os.environ.get("STLORA_PARITY_DIR", SHARED / "reference" / "parity"))
# A gradient that is zero in exact arithmetic, as an attention key's bias has, is rounding in float32.
ROUNDING = 1e-8
NEURAL = [name for name in OURS if not get_backbone(name).fitted]


def without_dropout(model: nn.Module) -> nn.Module:
    """Set every dropout probability of the model to 0."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0
    return model


@pytest.mark.parametrize("name", NEURAL)
def test_a_backbone_computes_what_its_reference_computes(name, tmp_path):
    path = PARITY / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    with np.load(path, allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    adjacency = arrays["adjacency"]
    source, target = np.nonzero(adjacency)
    np.savez(
        tmp_path / "graph.npz", num_nodes=len(adjacency), source=source, target=target, weight=adjacency[source, target]
    )
    state = {
        key.removeprefix("state/"): torch.from_numpy(value) for key, value in arrays.items() if key.startswith("state/")
    }
    carry = importlib.import_module(f"tests.parity.{name.lower()}").carry
    carried = carry(json.loads(str(arrays["meta"])), state, str(tmp_path / "graph.npz"))
    model, targets = carried.model, torch.from_numpy(arrays["targets"])
    batch = {"inputs": torch.from_numpy(arrays["inputs"]), "inputs_timestamps": torch.from_numpy(arrays["timestamps"])}
    batch = {key: value for key, value in batch.items() if key in inspect.signature(model.forward).parameters}

    output = model.eval()(**batch)
    assert np.abs(output.detach().numpy() - arrays["output_eval"]).max() <= 1e-5
    (output - targets).abs().mean().backward()
    for key, reference in arrays.items():
        if key.startswith("grad/"):
            ours = carried.gradient(key.removeprefix("grad/"))
            if ours is None:
                assert not reference.any(), f"{key} reaches the output"
            else:
                assert np.abs(ours.numpy() - reference).max() <= 1e-4 * np.abs(reference).max() + ROUNDING, key

    output = without_dropout(model).train()(**batch)
    assert np.abs(output.detach().numpy() - arrays["output_train_nodropout"]).max() <= 1e-5
