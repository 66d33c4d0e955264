"""Adapter files: the same forecast after loading, and a refusal for whatever doesn't belong together."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from stlora_ext import load_adapter, save_adapter
from stlora_ext.errors import UserError
from tests.lora.toy import CASES, NODES, backbone, forecast, trained, windows


@pytest.fixture
def saved(tmp_path):
    """An adapter file of an LSTM with node-level weights, and its model."""
    model, path = trained("LSTM", "node").eval(), tmp_path / "adapter.safetensors"
    save_adapter(model, path, scaler={"mean": torch.tensor(2.0), "std": torch.tensor(3.0)}, data_fingerprint="sha256:1")
    return model, path


@pytest.mark.parametrize(("name", "sharing"), CASES)
def test_saving_and_loading_reproduces_the_forecast_exactly(name, sharing, tmp_path):
    model, path = trained(name, sharing).eval(), tmp_path / "adapter.safetensors"
    size = save_adapter(model, path)
    loaded = load_adapter(backbone(name), path, num_nodes=NODES, input_len=12, output_len=12)
    assert torch.equal(forecast(loaded, windows()), forecast(model, windows()))
    assert size == path.stat().st_size < 16_000


def rewritten(path, change_tensors=None, change_metadata=None):
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = json.loads(file.metadata()["stlora"])
    tensors = load_file(path)
    if change_tensors:
        change_tensors(tensors)
    if change_metadata:
        change_metadata(metadata)
    save_file(tensors, path, metadata={"stlora": json.dumps(metadata)})


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:200]), "is damaged"),
        (lambda path: path.write_bytes(b""), "is damaged"),
        (lambda path: path.unlink(), "does not exist"),
        (lambda path: save_file({"a": torch.zeros(1)}, path), "is no ST-LoRA adapter file"),
        (lambda path: rewritten(path, lambda tensors: tensors.pop("conv_bias")), "conv_bias"),
        (lambda path: rewritten(path, lambda tensors: tensors.update(other=torch.zeros(1))), "other"),
        (
            lambda path: rewritten(
                path, lambda tensors: [tensors.update({f"x.{k}": tensors.pop(k)}) for k in list(tensors)]
            ),
            "does not hold the tensors",
        ),
        (lambda path: rewritten(path, None, lambda metadata: metadata.update(format=99)), "format 99, expected 1"),
        (
            lambda path: rewritten(path, None, lambda metadata: metadata["settings"].update(ranks=3)),
            "did you mean 'rank'",
        ),
    ],
)
def test_a_file_that_is_not_whole_is_refused_with_what_was_expected(saved, damage, expected):
    damage(saved[1])
    with pytest.raises(UserError, match=expected):
        load_adapter(backbone("LSTM"), saved[1])


def test_another_backbone_is_refused(saved):
    with pytest.raises(UserError, match="is for a LSTM, not a HA"):
        load_adapter(backbone("HA"), saved[1])
    other = backbone("LSTM")
    with torch.no_grad():
        other.output_layer.bias[0] += 1e-3
    with pytest.raises(UserError, match="belongs to other weights of LSTM"):
        load_adapter(other, saved[1])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"num_nodes": 7}, "num_nodes=11, not 7"),
        ({"input_len": 6}, "input_len=12, not 6"),
        ({"output_len": 3}, "output_len=12, not 3"),
    ],
)
def test_another_network_or_horizon_is_refused(saved, asked, expected):
    with pytest.raises(UserError, match=expected):
        load_adapter(backbone("LSTM"), saved[1], **asked)


def test_what_carries_no_adapter_is_not_saved(tmp_path):
    with pytest.raises(UserError, match="carries no adapter"):
        save_adapter(backbone("LSTM"), tmp_path / "a.safetensors")
