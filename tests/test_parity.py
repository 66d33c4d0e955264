"""Backbones against reference tensors: outputs, gradients and train mode with the same weights.

Reads the folder named by STLORA_PARITY_DIR (default: ../shared/reference/parity).
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.LSTM import LSTM, LSTMConfig
from tests.commands import SHARED

PARITY = Path(os.environ.get("STLORA_PARITY_DIR", SHARED / "reference" / "parity"))


def lstm(meta, state):
    """Build the LSTM of a reference file and carry its weights over."""
    config = meta["config"]
    model = LSTM(LSTMConfig(input_len=meta["input_len"], output_len=meta["output_len"], embed_size=config["init_dim"],
                            hidden_size=config["hid_dim"], end_size=config["end_dim"], num_layers=config["layer"],
                            dropout=config["dropout"]))
    names = {"start_conv": "input_projection", "end_linear1": "hidden_layer", "end_linear2": "output_layer"}

    def rename(name):
        first, _, rest = name.partition(".")
        return f"{names.get(first, first)}.{rest}"
    model.load_state_dict({rename(name): value.reshape(model.state_dict()[rename(name)].shape)
                           for name, value in state.items()})
    return model, rename


BUILDERS = {"LSTM": lstm}


@pytest.mark.parametrize("name", BUILDERS)
def test_a_backbone_computes_what_its_reference_computes(name):
    path = PARITY / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    with np.load(path, allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    meta = json.loads(str(arrays["meta"]))
    state = {key.removeprefix("state/"): torch.from_numpy(value) for key, value in arrays.items()
             if key.startswith("state/")}
    model, rename = BUILDERS[name](meta, state)
    inputs, targets = torch.from_numpy(arrays["inputs"]), torch.from_numpy(arrays["targets"])

    output = model.eval()(inputs)
    assert np.abs(output.detach().numpy() - arrays["output_eval"]).max() <= 1e-5
    (output - targets).abs().mean().backward()
    gradients = dict(model.named_parameters())
    for key, reference in arrays.items():
        if key.startswith("grad/"):
            ours = gradients[rename(key.removeprefix("grad/"))].grad.numpy().reshape(reference.shape)
            assert np.abs(ours - reference).max() <= 1e-4 * np.abs(reference).max(), key

    for module in model.modules():
        if hasattr(module, "dropout"):
            module.dropout = 0.0
    assert np.abs(model.train()(inputs).detach().numpy() - arrays["output_train_nodropout"]).max() <= 1e-5
