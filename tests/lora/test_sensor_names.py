"""An adapter knows its sensors by name, and its file is for these sensors in their order."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from stlora_ext import attach, load_adapter, load_run, merge, save_adapter
from stlora_ext.config.experiment import experiment
from stlora_ext.data.prepared import load_meta
from stlora_ext.errors import UserError
from stlora_ext.lora.files import read_adapter
from stlora_ext.runs.backbone import run_key
from stlora_ext.runs.key import ADAPTER, CHECKPOINT
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.run import train_run
from tests.lora.toy import NODES, backbone, plain, windows

NAMES = tuple(f"sensor {i}" for i in range(NODES))


def model(names=NAMES):
    return attach(backbone("LSTM"), plain("node"), NODES, names=names)


def test_a_file_keeps_the_names_and_a_loaded_model_has_them(tmp_path):
    save_adapter(model(), tmp_path / "a.safetensors")
    loaded = load_adapter(backbone("LSTM"), tmp_path / "a.safetensors", names=NAMES)
    assert loaded.sensors == load_adapter(backbone("LSTM"), tmp_path / "a.safetensors").sensors == NAMES
    assert merge(loaded, per_node=True).sensors == NAMES


def test_sensors_without_names_are_numbered_and_their_file_takes_the_names_at_hand(tmp_path):
    save_adapter(model(None), tmp_path / "a.safetensors")
    assert "names" not in read_adapter(tmp_path / "a.safetensors")[0]
    assert load_adapter(backbone("LSTM"), tmp_path / "a.safetensors").sensors == tuple(map(str, range(NODES)))
    assert load_adapter(backbone("LSTM"), tmp_path / "a.safetensors", names=NAMES).sensors == NAMES
    with pytest.raises(UserError, match="is for num_nodes=11, not 3"):
        load_adapter(backbone("LSTM"), tmp_path / "a.safetensors", names=NAMES[:3])


@pytest.mark.parametrize(
    ("at_hand", "expected"),
    [
        ((NAMES[1], NAMES[0], *NAMES[2:]), r"another order \(place 0: 'sensor 0', at hand 'sensor 1'\)"),
        (NAMES[::-1], "another order"),
        (NAMES[1:], "for 11 sensors; the 10 names at hand lack 'sensor 0': give"),
        ((*NAMES, "x"), "the 12 names at hand add 'x'"),
        (("x", *NAMES[1:]), "the 11 names at hand lack 'sensor 0' and add 'x'"),
        (tuple("abcdefghijk"), "lack 'sensor 0', 'sensor 1', 'sensor 2' and 8 more and add 'a', 'b', 'c' and 8 more"),
        ((*NAMES[1:], NAMES[1]), "'sensor 1' is named twice"),
    ],
)
def test_a_file_of_other_sensors_or_another_order_is_refused(at_hand, expected, tmp_path):
    save_adapter(model(), tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=expected) as caught:
        load_adapter(backbone("LSTM"), tmp_path / "a.safetensors", names=at_hand)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (NAMES[:-1], "10 names for num_nodes=11"),
        ((*NAMES[:-1], NAMES[0]), "'sensor 0' is named twice"),
        ((*NAMES[:-1], " "), "sensor 10 has an empty name"),
        (range(NODES), "the name 0 is no text"),
        ("abcdefghijk", "is one text, expected a list"),
    ],
)
def test_names_that_do_not_tell_the_nodes_apart_are_refused(names, expected):
    with pytest.raises(UserError, match=expected):
        model(names)


@pytest.mark.parametrize("names", [["a"], ["a"] * NODES, "abcdefghijk", [*NAMES[1:], ""], [*NAMES[1:], 5], {}])
def test_a_file_whose_names_are_damaged_is_refused(names, tmp_path):
    path = tmp_path / "a.safetensors"
    save_adapter(model(), path)
    described = {**read_adapter(path)[0], "names": names}
    save_file(load_file(path), path, metadata={"stlora": json.dumps(described)})
    with pytest.raises(UserError, match=r"damaged \(no good 'names'\)"):
        load_adapter(backbone("LSTM"), path)


def test_a_run_writes_its_data_sets_names_and_earlier_files_still_load(tiny_data, tmp_path):
    meta = load_meta(tiny_data, "TINY")
    exp = experiment("TINY", "LSTM+").override({"num_epochs": 1, "model.hidden_size": 8, "model.end_size": 16})
    record, _ = train_run(exp, meta, 0, RunOptions(tiny_data, tmp_path))
    folder = record.key.record_path(tmp_path).with_suffix("")
    described, tensors = read_adapter(folder / ADAPTER)
    assert described.pop("names") == meta.sensor_ids
    whole = load_run(folder / CHECKPOINT, data=tiny_data, results=tmp_path).model
    earlier = folder / "earlier.safetensors"
    save_file(tensors, earlier, metadata={"stlora": json.dumps(described)})
    for path in (folder / ADAPTER, earlier):
        loaded = load_run(path, data=tiny_data).model
        assert loaded.sensors == whole.sensors == tuple(meta.sensor_ids)
        inputs = {"inputs": windows(num_nodes=12), "inputs_timestamps": torch.rand(3, 12, 2)}
        assert torch.equal(loaded(**inputs), whole(**inputs))


def test_names_change_no_key(tiny_data):
    meta = load_meta(tiny_data, "TINY")
    renamed = replace(meta, sensor_ids=[f"{name}!" for name in meta.sensor_ids])
    exp = experiment("TINY", "LSTM+")
    assert run_key(exp, meta, 0) == run_key(exp, renamed, 0)
